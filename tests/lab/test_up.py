"""What the lab demands before it starts anything."""

import pytest

from lab.processes import Failed
from lab.up import require_disk


@pytest.mark.parametrize(("free", "fresh"), [(12 << 30, True), (4 << 30, False)])
def test_with_enough_disk_it_starts(free: int, fresh: bool) -> None:
    require_disk(free, fresh=fresh)
    with pytest.raises(Failed, match="GiB of disk are free"):
        require_disk(free - 1, fresh=fresh)
