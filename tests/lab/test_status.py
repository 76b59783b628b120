from lab.status import Line, table


def test_the_table_names_the_dead_and_counts_the_living() -> None:
    lines = [Line("nova-api", True, 4711, 8774, 100 << 20), Line("glance", False, 4712, 9292, 0)]
    rows = [row.split() for row in table(lines).splitlines()]
    assert rows[1:] == [
        ["glance", "DEAD", "4712", "9292", "0"],
        ["nova-api", "up", "4711", "8774", "100"],
        ["1", "of", "2", "up", "100"],
    ]
