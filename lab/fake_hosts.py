"""The hosts without guests: a nova-compute each and one process for all their network agents."""

import uuid

from lab import ini, neutron, nova, settings
from lab.processes import Process


def configure() -> None:
    driver = next(settings.VENV.glob("lib/python3*/site-packages/nova/virt")) / "lab_fake.py"
    driver.unlink(missing_ok=True)
    driver.symlink_to(settings.LAB / "drivers/fake_virt.py")
    for host in settings.FAKE_HOSTS:
        home = settings.STATE / "fake_hosts" / host
        (home / "locks").mkdir(parents=True, exist_ok=True)
        # Nova refuses a known host that comes back under another identity
        (home / "compute_id").write_text(f"{uuid.uuid5(uuid.NAMESPACE_DNS, host)}\n")
        ini.write(
            nova.conf(host),
            {
                "DEFAULT": {
                    "host": host,
                    "compute_driver": "lab_fake.LabFakeDriver",
                    "state_path": home,
                    "vif_plugging_is_fatal": False,
                    "vif_plugging_timeout": 0,
                },
                "oslo_concurrency": {"lock_path": home / "locks"},
            },
        )


def processes() -> list[Process]:
    agent = Process(
        name="fake-agent",
        argv=[
            *(str(settings.VENV / "bin/python"), "-m", "lab.drivers.fake_agent"),
            *(*neutron.CONFIGURATION, "--", *settings.FAKE_HOSTS),
        ],
        cwd=settings.CHECKOUT,
    )
    return [*(nova.compute(host) for host in settings.FAKE_HOSTS), agent]
