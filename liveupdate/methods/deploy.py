"""Servers from a golden image, proven to be new ones."""

from liveupdate.methods import Method
from liveupdate.steps import check_deploy, deploy, prove_deployed, settle_deploy

METHOD = Method(
    name="deploy",
    title="Make servers from a golden image, and prove them",
    steps=(check_deploy.STEP, deploy.STEP, prove_deployed.STEP, settle_deploy.STEP),
    preview=(check_deploy.STEP,),
    pivot=prove_deployed.STEP,
)
