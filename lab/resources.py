"""What a user finds in the fresh cloud: flavors, aggregates, volume types, the network, images, quotas, a key.

Runs in the lab's environment: python -m lab.resources. Whatever exists already is left alone.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openstack
from openstack.exceptions import ConflictException

from lab import settings
from lab.neutron import PHYSICAL_NETWORK
from lab.settings import PATIENCE

#: Name → vCPUs, MiB of memory, GB of disk, the kind of host it must run on (None: any).
FLAVORS = {
    "tiny": (1, 128, 1, "fake"),
    "small": (1, 512, 2, None),
    "guest": (2, 1536, 0, "qemu"),
    # for servers made from an image: their root disk lies on their host
    "guest-local": (2, 1536, 3, "qemu"),
    "fake.small": (1, 512, 1, "fake"),
    "fake.large": (8, 16384, 20, "fake"),
}
AGGREGATES = {"real": ("qemu", settings.REAL_HOSTS), "fake": ("fake", settings.FAKE_HOSTS)}
VOLUME_TYPES = {
    "ceph": {"volume_backend_name": "ceph"},
    "ceph-multiattach": {"volume_backend_name": "ceph", "multiattach": "<is> True"},
    "iscsi": {"volume_backend_name": "iscsi", "multiattach": "<is> True"},
    "nfs": {"volume_backend_name": "nfs"},
}
GUEST_PROPERTIES = {
    "hw_disk_bus": "virtio",
    "hw_rng_model": "virtio",
    "hw_qemu_guest_agent": "no",
    "hw_video_model": "none",
    "os_distro": "debian",
}
GUEST_IMAGES = ("debian-12", "debian-12-pending")
COMPUTE_QUOTA = {"instances": 500, "cores": 2000, "ram": 4 << 20, "server_groups": 100, "server_group_members": 100}
VOLUME_QUOTA = {"volumes": 1000, "snapshots": 1000, "gigabytes": 100_000, "backups": 100}
NETWORK_QUOTA = {"networks": 100, "subnets": 100, "ports": 2000, "security_groups": 200, "security_group_rules": 2000}


def main() -> None:
    admin, demo = _connect("admin"), _connect("demo")
    project = admin.identity.find_project("demo", ignore_missing=False).id
    _flavors(admin.compute)
    _aggregates(admin.compute)
    _volume_types(admin.block_storage)
    for owner in (project, admin.current_project_id):
        _quotas(admin, owner)
    _network(admin.network, project)
    _open_security_group(demo.network, project)
    if not demo.compute.find_keypair("demo"):
        public = settings.SSH_KEY.with_suffix(".pub").read_text()
        demo.compute.create_keypair(name="demo", public_key=public)
    _images()


def _connect(cloud: str) -> Any:
    return openstack.connect(cloud=cloud)


def _flavors(compute: Any) -> None:
    for name, (vcpus, memory, disk, hypervisor) in FLAVORS.items():
        if not compute.find_flavor(name):
            flavor = compute.create_flavor(name=name, vcpus=vcpus, ram=memory, disk=disk)
            if hypervisor:
                pin = {"aggregate_instance_extra_specs:hypervisor": hypervisor}
                compute.create_flavor_extra_specs(flavor, pin)


def _aggregates(compute: Any) -> None:
    for name, (hypervisor, hosts) in AGGREGATES.items():
        aggregate = compute.find_aggregate(name)
        if not aggregate:
            aggregate = compute.create_aggregate(name=name)
            compute.set_aggregate_metadata(aggregate, {"hypervisor": hypervisor})
        present = {service.host for service in compute.services(binary="nova-compute")}
        for host in sorted(present & set(hosts) - set(aggregate.hosts or ())):
            compute.add_host_to_aggregate(aggregate, host)


def _volume_types(storage: Any) -> None:
    for name, specs in VOLUME_TYPES.items():
        if not storage.find_type(name):
            storage.create_type(name=name, extra_specs=specs)


def _quotas(admin: Any, project: str) -> None:
    """Limits that no test of ours meets by accident, yet real ones: the service reads them."""
    admin.compute.update_quota_set(project, **COMPUTE_QUOTA)
    admin.block_storage.update_quota_set(project, **VOLUME_QUOTA)
    admin.network.update_quota(project, **NETWORK_QUOTA)


def _network(network: Any, project: str) -> None:
    if network.find_network("lab"):
        return
    # owned by demo: only an owner's members may set allowed address pairs on its ports
    lab = network.create_network(
        name="lab",
        project_id=project,
        provider_network_type="flat",
        provider_physical_network=PHYSICAL_NETWORK,
    )
    first, last = settings.GUEST_ADDRESSES
    network.create_subnet(
        name="lab",
        network_id=lab.id,
        project_id=project,
        ip_version=4,
        cidr=settings.DATA_NETWORK,
        gateway_ip=settings.DATA_ADDRESS,
        allocation_pools=[{"start": first, "end": last}],
        is_dhcp_enabled=False,
    )


def _open_security_group(network: Any, project: str) -> None:
    group = network.find_security_group("default", project_id=project)
    rules = list(network.security_group_rules(security_group_id=group.id, direction="ingress"))
    for family, everywhere in (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0")):
        if not any(rule.ether_type == family and rule.remote_group_id is None for rule in rules):
            network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", ethertype=family, remote_ip_prefix=everywhere
            )


def _images() -> None:
    tiny = settings.STATE / "image" / "tiny.raw"
    if not tiny.exists():
        tiny.parent.mkdir(parents=True, exist_ok=True)
        tiny.write_bytes(bytes(1 << 20))
    images: dict[Path, dict[str, str]] = {tiny: {}} | {
        tiny.with_name(f"{name}.raw"): GUEST_PROPERTIES for name in GUEST_IMAGES
    }
    with ThreadPoolExecutor() as pool:
        for upload in [pool.submit(_image, file, properties) for file, properties in images.items()]:
            upload.result()


def _retire(images: Any, image: Any) -> None:
    """Delete it; while volumes are still clones of it, take its name."""
    try:
        images.delete_image(image)
    except ConflictException:
        images.update_image(image, name=f"{image.name}-until-{image.created_at}", visibility="private")


def _image(file: Path, properties: dict[str, str]) -> None:
    cloud = _connect("admin")  # one each: a connection does not share well
    # the property tells which build it is of: a file that was built anew takes the older image's place
    built = {"lab_built": str(file.stat().st_mtime_ns)}
    if image := cloud.image.find_image(file.stem):
        if image.properties.get("lab_built") == built["lab_built"]:
            return
        _retire(cloud.image, image)
    cloud.create_image(
        file.stem,
        filename=str(file),
        disk_format="raw",
        container_format="bare",
        visibility="public",
        wait=True,
        timeout=3 * PATIENCE,
        **properties,
        **built,
    )


if __name__ == "__main__":
    main()
