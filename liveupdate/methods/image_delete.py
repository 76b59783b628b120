"""A golden image goes, with all that is behind it."""

from liveupdate.methods import Method
from liveupdate.steps import delete_image, inspect_image

METHOD = Method(
    name="image_delete",
    title="Delete a golden image and the snapshots behind it",
    steps=(inspect_image.STEP, delete_image.STEP),
    preview=(inspect_image.STEP,),
    pivot=inspect_image.STEP,
)
