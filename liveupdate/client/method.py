"""A way to update, as openstacksdk shows resources."""

from openstack import resource


class Method(resource.Resource):
    resources_key = "methods"
    base_path = "/methods"

    allow_list = True

    _query_mapping = resource.QueryParameters("sort")

    name = resource.Body("name", alternate_id=True)
    title = resource.Body("title")
    #: Of each: name, title, and whether it may be skipped.
    steps = resource.Body("steps", type=list)
    #: The step after which there is no undo.
    pivot = resource.Body("pivot")
