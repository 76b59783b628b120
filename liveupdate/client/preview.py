"""The checks of an update, which touch nothing."""

from openstack import resource

from liveupdate.client.idempotency import HEADER


class Preview(resource.Resource):
    resource_key = "preview"
    resources_key = "previews"
    base_path = "/previews"

    allow_create = True
    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "state", "method", "server_id", "server_name", "user_id", "sort", changes_since="changes-since"
    )

    #: Only when creating: the same request with the same key makes one preview, however often.
    idempotency_key = resource.Header(HEADER)
    server_id = resource.Body("server_id")
    method = resource.Body("method")
    server = resource.Body("server", type=dict)
    parameters = resource.Body("parameters", type=dict)
    state = resource.Body("state")
    reason = resource.Body("reason")
    code = resource.Body("code")
    remedy = resource.Body("remedy")
    step = resource.Body("step")
    progress = resource.Body("progress", type=int)
    verdict = resource.Body("verdict")
    findings = resource.Body("findings", type=list)
    units = resource.Body("units", type=list)
    #: Of a capture: the volumes that would become the image.
    captured = resource.Body("captured", type=list)
    blackout_estimate_ms = resource.Body("blackout_estimate_ms")
    created_at = resource.Body("created_at")
    finished_at = resource.Body("finished_at")
    #: From then on no job may start from it.
    expires_at = resource.Body("expires_at")
