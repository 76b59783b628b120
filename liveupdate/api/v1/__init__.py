"""The resources of the API, one module each."""

from fastapi import APIRouter

from liveupdate.api.v1 import actions, fallbacks, host_groups, images, jobs, methods, parts, placements, previews

ROUTERS: tuple[APIRouter, ...] = (
    jobs.router,
    parts.router,
    actions.router,
    previews.router,
    methods.router,
    fallbacks.router,
    host_groups.router,
    images.router,
    placements.router,
)
