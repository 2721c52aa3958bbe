# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ipaddress import ip_network

from sensor.events.dimensions import Dimension, PathPattern
from sensor.rulelang.terms import Term, both, contains, either, merge_alike, squeeze

COMM, PATH, LEAF, FAMILY, PORT, ADDRESS = Dimension.COMM, Dimension.PATH, Dimension.LEAF, Dimension.FAMILY, Dimension.PORT, Dimension.ADDRESS


def term(exact=True, **sets):
    """Return a term; a set is given as in_x={…} or not_x={…}."""
    return Term({Dimension(name.split("_", 1)[1]): (name.startswith("not"), frozenset(values)) for name, values in sets.items()}, exact)


def prefix(path):
    """Return a beginning."""
    return PathPattern(path, exact=False)


def exactly(path):
    """Return a whole path."""
    return PathPattern(path, exact=True)


def test_conjunctions_intersect():
    """Two sets of one dimension become one; excluded ones are taken out."""
    assert both(term(in_comm={1, 2}), term(in_comm={2, 3})).sets[COMM] == (False, {2})
    assert both(term(in_comm={1, 2}), term(not_comm={2})).sets[COMM] == (False, {1})
    assert both(term(not_comm={1}), term(not_comm={2})).sets[COMM] == (True, {1, 2})


def test_contradictions_of_known_values_never_hold():
    """Of a dimension that always has one value."""
    assert both(term(in_comm={1}), term(in_comm={2})) is None


def test_contradictions_of_unknown_values_may_hold():
    """A path that could not be read may be both, so one of the two is kept."""
    kept = both(term(in_path={prefix(b"/etc/")}), term(in_path={prefix(b"/var/")}))
    assert kept.sets[PATH] == (False, {prefix(b"/etc/")})
    assert not kept.exact


def test_paths_nest():
    """The longer beginning and the whole path win."""
    assert both(term(in_path={prefix(b"/etc")}), term(in_path={exactly(b"/etc/x"), prefix(b"/var")})).sets[PATH] == (False, {exactly(b"/etc/x")})


def test_networks_nest():
    """The smaller network wins, across versions as the 128-bit table has it."""
    left, right = {ip_network("10.0.0.0/8"), ip_network("::/0")}, {ip_network("10.1.0.0/16")}
    assert both(term(in_address=left), term(in_address=right)).sets[ADDRESS] == (False, right)


def test_two_families_at_once():
    """A mapped peer is IPv4 and IPv6, so these sets are not intersected."""
    assert both(term(in_family={2}), term(in_family={10})).sets[FAMILY] == (False, {2})
    assert both(term(in_family={2}), term(in_family={2, 10})).sets[FAMILY] == (False, {2})


def test_disjunctions_in_one_dimension_lose_nothing():
    """The union of two sets is exact when nothing else differs."""
    together = either(term(in_comm={1}, in_port={5}), term(in_comm={2}, in_port={5}))
    assert together.sets == {COMM: (False, {1, 2}), PORT: (False, {5})}
    assert together.exact


def test_disjunctions_in_two_dimensions_widen():
    """And say so."""
    together = either(term(in_comm={1}, in_port={5}), term(in_comm={2}, in_port={6}))
    assert together.sets == {COMM: (False, {1, 2}), PORT: (False, {5, 6})}
    assert not together.exact
    assert either(term(in_comm={1}), term(in_port={5})).sets == {}
    assert either(term(in_comm={1}), term(not_comm={2})).sets == {}


def test_a_path_decides_over_its_names():
    """Leaves and directories follow from whole paths, so their union is exact."""
    together = either(term(in_leaf={b"a"}, in_path={exactly(b"/a")}), term(in_leaf={b"b"}, in_path={exactly(b"/b")}))
    assert together.exact


def test_merging_alike_keeps_what_cannot_be_joined():
    """Terms that differ in one dimension are joined, covered ones go."""
    left = merge_alike([term(in_comm={1}), term(in_comm={2}), term(in_comm={1}, in_port={5}), term(in_port={7})])
    assert [one.sets for one in left] == [{COMM: (False, {1, 2})}, {PORT: (False, {7})}]


def test_containment():
    """Fewer constraints and larger sets contain."""
    assert contains(term(in_comm={1, 2}), term(in_comm={1}, in_port={5}))
    assert not contains(term(in_comm={1}), term(in_comm={1, 2}))
    assert contains(term(not_comm={1}), term(not_comm={1, 2}))


def test_squeezing_bounds_the_number():
    """However many there are, at most so many are left, and each contains some."""
    many = [term(in_comm={n}, in_port={n * 7 % 50}) for n in range(100)]
    few = squeeze(many, 5)
    assert len(few) <= 5
    assert all(any(contains(wide, one) for wide in few) for one in many)
