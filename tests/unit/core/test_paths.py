# SPDX-License-Identifier: Apache-2.0

import pytest

from sensor.core.errors import EnvironmentRefusal, UsageError
from sensor.core.paths import find_data


@pytest.fixture
def data(tmp_path):
    def make(name):
        root = tmp_path / name
        (root / "bpf" / "probes").mkdir(parents=True)
        return root

    return make


def test_the_environment_comes_first(data):
    """SCOUT_DATA wins over a checkout and an installation."""
    chosen, beside, prefix = data("chosen"), data("beside"), data("prefix/share/scout").parents[1]
    assert find_data({"SCOUT_DATA": str(chosen)}, beside=beside, prefix=prefix).root == chosen


def test_a_checkout_comes_before_an_installation(data):
    """Beside the package wins over the installation's prefix; an empty SCOUT_DATA counts as unset."""
    beside, prefix = data("beside"), data("prefix/share/scout").parents[1]
    assert find_data({"SCOUT_DATA": ""}, beside=beside, prefix=prefix).root == beside


def test_an_installation_is_found_under_its_prefix(data, tmp_path):
    """Without a checkout the data is share/scout under the prefix."""
    root = data("prefix/share/scout")
    found = find_data({}, beside=tmp_path, prefix=tmp_path / "prefix")
    assert (found.bpf, found.rules, found.offsets) == (root / "bpf", root / "rules", root / "kernels" / "offsets")


def test_a_wrong_scout_data_is_refused(data, tmp_path):
    """A SCOUT_DATA without probes is an error, not a reason to use others."""
    with pytest.raises(UsageError, match="has no folder bpf/probes"):
        find_data({"SCOUT_DATA": str(tmp_path)}, beside=data("beside"))


def test_nowhere_names_both_places(tmp_path):
    """When there is no data, the message has the places that were tried."""
    with pytest.raises(EnvironmentRefusal, match=r"a nor .*b/share/scout"):
        find_data({}, beside=tmp_path / "a", prefix=tmp_path / "b")


def test_this_checkout_is_found():
    """By default the data is what stands beside the package."""
    assert (find_data({}).bpf / "LICENSE").is_file()
