"""Give the image its name, and have it listed: from here on it may be in use, hence the pivot."""

from liveupdate.model import Json
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    image = context.user_cloud().golden_images.get(_image_id(context))
    return Probe(True, _result(context)) if image and image.name == _name(context) else NOT_DONE


def apply(context: StepContext) -> Json:
    context.user_cloud().golden_images.publish(_image_id(context), _name(context))
    return _result(context)


def undo(context: StepContext) -> None:
    """It is deleted by the step that made it."""


def _result(context: StepContext) -> dict[str, str]:
    return {"image_id": _image_id(context), "name": _name(context)}


def _image_id(context: StepContext) -> str:
    return str(context.result("make_image")["image_id"])


def _name(context: StepContext) -> str:
    return str(context.job.parameters["name"])


STEP = Step("publish_image", "Publish the image", probe, apply, undo)
