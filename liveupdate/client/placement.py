"""Where a server's twin would go, or has gone, and why."""

from openstack import resource


class Placement(resource.Resource):
    resource_key = "placement"
    base_path = "/placements"

    allow_create = True
    allow_fetch = True

    #: Only when asking: None for the group of the server's host.
    group = resource.Body("group")
    #: Only when asking: "last", "allow" or "avoid".
    same_host = resource.Body("same_host")
    server_id = resource.Body("server_id")
    job_id = resource.Body("job_id", alternate_id=True)
    host = resource.Body("host")
    policy = resource.Body("policy")
    note = resource.Body("note")
    #: Of every host: host, verdict, reason, score.
    hosts = resource.Body("hosts", type=list)
    #: Reason → how many hosts more than ``hosts`` names.
    left_out = resource.Body("left_out", type=dict)
    #: Neighbours that would be moved, or were, to make room: name, from, to.
    moves = resource.Body("moves", type=list)
    #: Why no host can take it; "" if one can.
    why_not = resource.Body("why_not")
    refused_by_nova = resource.Body("refused_by_nova", type=dict)
