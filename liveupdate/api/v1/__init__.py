"""The resources of the API, one module each."""

from fastapi import APIRouter

from liveupdate.api.v1 import actions, fallbacks, jobs, methods, parts, previews

ROUTERS: tuple[APIRouter, ...] = (
    jobs.router,
    parts.router,
    actions.router,
    previews.router,
    methods.router,
    fallbacks.router,
)
