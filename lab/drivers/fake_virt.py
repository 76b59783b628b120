"""A hypervisor without guests. Nova finds it as nova.virt.lab_fake; beyond Nova's own fake driver its servers outlive
a restart of the service, a port may come back to a host that it was on, and its snapshots become images."""

import io
from typing import Any

from nova.compute import power_state
from nova.image import glance
from nova.virt import fake


class LabFakeDriver(fake.FakeDriverWithoutFakeNodes):
    vcpus, memory_mb, local_gb = 256, 1 << 20, 100_000
    capabilities = {  # noqa: RUF012 - Nova's own shape
        **fake.FakeDriver.capabilities,
        "supports_bfv_rescue": True,
        "supports_image_type_qcow2": True,
    }

    def resume_state_on_host_boot(
        self, context: Any, instance: Any, network_info: Any, share_info: Any = None, block_device_info: Any = None
    ) -> None:
        self.instances[instance.uuid] = fake.FakeInstance(instance.name, power_state.RUNNING, instance.uuid)
        for vif in network_info or []:
            self._interfaces[vif["id"]] = vif

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        # Nova's own keeps those of servers that are gone, and refuses them for ever
        self._interfaces[vif["id"]] = vif

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        super().snapshot(context, instance, image_id, update_task_state)
        image = {"disk_format": "raw", "container_format": "bare", "status": "active", "properties": {}}
        glance.API().update(context, image_id, image, data=io.BytesIO(bytes(1 << 20)), purge_props=False)
