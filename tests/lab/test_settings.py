from lab import settings


def test_no_two_services_share_a_port() -> None:
    ports = [value for name, value in vars(settings).items() if name.endswith("_PORT")]
    assert len(ports) == len(set(ports)) == 16


def test_hosts_have_the_management_addresses_everybody_was_told() -> None:
    assert [settings.host_address(number) for number in (1, 2)] == ["10.77.0.11", "10.77.0.12"]
