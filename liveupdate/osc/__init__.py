"""Commands for OpenStackClient: ``openstack live update …``. They speak through liveupdate.client only."""
