"""Parser of `cluster.toml`: valid configs, and reports of all problems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumes.address import Address
from volumes.config.cluster_config import parse_cluster
from volumes.config.config_reader import InvalidConfig
from volumes.sizes import DEFAULT_SIZES, Size
from volumes.variant_formats import VariantFormats
from volumes.volume_state import VolumeState

SMALLEST = """
public_url = "http://127.0.0.1:8080"
keys_file = "keys.toml"
queue_url = "redis://127.0.0.1:6379/0"

[nodes.east-1]
colo = "east"
read = "127.0.0.1:7101"
write = "127.0.0.1:7102"
store = "east-1"

[nodes.west-1]
colo = "west"
read = "127.0.0.1:7201"
write = "127.0.0.1:7202"
store = "s3://photos/west-1"

[[volumes]]
numbers = "1-16"
mirrors = ["east-1", "west-1"]

[masters.m1]
colo = "east"
address = "127.0.0.1:7001"
"""

FULL = (
    """
name = "holiday"
durability = "strict"
memcached = ["127.0.0.1:11211", "cache-2:11211"]
"""
    + SMALLEST.replace('"http://127.0.0.1:8080"', '"https://photos.example/"')
    + """
[nodes.west-2]
colo = "west"
read = "127.0.0.1:7301"
write = "127.0.0.1:7302"
store = "/srv/west-2"
uuid = "5f0c"

[[volumes]]
numbers = "65535"
mirrors = ["west-2", "east-1", "west-1"]
state = "closed"

[edges.e1]
colo = "east"
kind = "nginx"
listen = "0.0.0.0:8080"
purge = "127.0.0.1:8081"

[edges.e2]
colo = "west"
kind = "varnish"
listen = "0.0.0.0:8080"
purge = "127.0.0.1:8082"

[limits]
upload_bytes_max = 1000
pixels_max = 2000

[[sizes]]
letter = "x"
edge_pixels = 99
square = true

[[sizes]]
letter = "y"
edge_pixels = 3000

[images]
webp = true
webp_quality = 70
avif = true
avif_edge_pixels_max = 320
animation = true
keep_credit = false
"""
)

BROKEN = """
name = 7
public_url = "photos.example"
queue_url = ""
durability = "often"
memcached = ["127.0.0.1"]
color = "blue"

[nodes.east-1]
colo = "East Coast"
read = "127.0.0.1:7101"
write = "127.0.0.1:7101"
store = "east-1"
stoer = "east-1"

[nodes.east-2]
colo = "east"
read = "http://127.0.0.1:7111"
write = 7112
store = ["east-2"]

[nodes.East_3]
colo = "east"

[nodes.west-1]
colo = "west"
read = "127.0.0.1:7201"
write = "127.0.0.1:7202"

[[volumes]]
numbers = "1-16"
mirrors = ["east-1", "unknown"]

[[volumes]]
numbers = "16"
mirrors = ["east-1", "west-1", "west-1"]
state = "ajar"

[[volumes]]
numbers = "9-4"
mirrors = "east-1"

[masters.m1]
colo = "east"
address = "127.0.0.1:7202"

[edges.e1]
colo = "east"
kind = "apache"
listen = "127.0.0.1:8080"

[limits]
upload_bytes_max = 0
pixels_max = true

[[sizes]]
letter = "o"
edge_pixels = "many"
square = 1

[[sizes]]
letter = "x"
edge_pixels = 5

[[sizes]]
letter = "x"
edge_pixels = 20000

[images]
webp = "yes"
webp_quality = 101
avif_quality = 0
avif_speed = 3
"""

PROBLEMS_OF_BROKEN = """
    name: must be a string, is 7
    public_url: must begin with http:// or https://; is 'photos.example'
    keys_file: is missing
    queue_url: must not be empty
    durability: must be one of degraded, strict; is 'often'
    memcached: must be a host and a port, as in "127.0.0.1:7101"; is '127.0.0.1'
    color: unknown key
    nodes.east-1.colo: must be a-z, 0-9, and dashes
    nodes.east-1.stoer: unknown key; known keys: colo, read, state, store
    nodes.east-1.write: 127.0.0.1:7101 is already used by nodes.east-1.read
    nodes.east-2.read: must be a host and a port
    nodes.east-2.write: must be a string, is 7112
    nodes.east-2.store: must be a string, is ['east-2']
    nodes.East_3: must be a-z, 0-9, and dashes
    nodes.west-1.store: is missing
    volumes[0].mirrors: unknown node 'unknown'; known nodes:
    volumes[0].mirrors: must be in at least 2 colos
    volumes[1].numbers: volume 16 is listed twice
    volumes[1].mirrors: lists a node twice
    volumes[1].state: must be one of new, open, closed; is 'ajar'
    volumes[2].numbers: must be as in "7" or "1-16", up to 65535; is '9-4'
    volumes[2].mirrors: must be a list, is 'east-1'
    masters.m1.address: 127.0.0.1:7202 is already used by nodes.west-1.write
    edges.e1.kind: must be one of nginx, varnish; is 'apache'
    edges.e1.purge: is missing
    limits.upload_bytes_max: must be at least 1, is 0
    limits.pixels_max: must be a whole number, is True
    sizes[0].letter: must be one of a-z but o; is 'o'
    sizes[0].edge_pixels: must be a whole number, is 'many'
    sizes[0].square: must be true or false, is 1
    sizes[2].edge_pixels: must be at most 16383, is 20000
    sizes[2].letter: size 'x' is listed twice
    images.webp: must be true or false, is 'yes'
    images.webp_quality: must be at most 100, is 101
    images.avif_quality: must be at least 1, is 0
    images.avif_speed: unknown key; known keys: animation, animation_quality, avif
"""


def problems_of(text):
    """Return the problems of a config as texts."""
    with pytest.raises(InvalidConfig) as caught:
        parse_cluster(text)
    return [str(problem) for problem in caught.value.problems]


def test_every_problem_is_reported_at_once_with_its_key():
    """A config with more than thirty problems reports all of them with their keys."""
    found = sorted(problems_of(BROKEN))
    wanted = sorted(line.strip() for line in PROBLEMS_OF_BROKEN.strip().splitlines())
    assert len(found) == len(wanted) >= 30
    for problem, beginning in zip(found, wanted, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(("seconds", "is_valid"), [(0, True), (30, True), (31, False), (-1, False)])
def test_memcached_counts_without_nodes_for_half_a_minute_at_most(seconds, is_valid):
    """A deleted photo is not shown as ready for longer."""
    text = f"{SMALLEST}\n[limits]\ncached_info_seconds = {seconds}\n"
    if is_valid:
        assert parse_cluster(text).limits.cached_info_seconds == seconds
    else:
        with pytest.raises(InvalidConfig, match=r"limits\.cached_info_seconds: must be at"):
            parse_cluster(text)


def test_the_message_of_the_error_shows_all_problems():
    """The error message lists all problems."""
    with pytest.raises(InvalidConfig) as caught:
        parse_cluster(BROKEN)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"the config has {len(lines) - 1} problem(s):"
    assert [line.strip() for line in lines[1:]] == [str(p) for p in caught.value.problems]


def test_the_smallest_config_is_filled_with_defaults():
    """Two nodes in two colos, a volume, and a storagemaster are enough."""
    cluster = parse_cluster(SMALLEST)
    assert cluster.name == "glassplate"
    assert cluster.public_url == "http://127.0.0.1:8080"
    assert cluster.strict is False
    assert cluster.memcached == ()
    assert cluster.edges == {}
    assert cluster.sizes == DEFAULT_SIZES
    assert cluster.variant_formats == VariantFormats()
    assert (cluster.limits.upload_bytes_max, cluster.limits.pixels_max) == (209715200, 110000000)
    assert list(cluster.volumes) == list(range(1, 17))
    assert {volume.state for volume in cluster.volumes.values()} == {VolumeState.OPEN}


def test_a_full_config_is_read_whole():
    """Every key sets a field of the cluster."""
    cluster = parse_cluster(FULL)
    assert cluster.name == "holiday"
    assert cluster.public_url == "https://photos.example"
    assert cluster.strict is True
    assert cluster.memcached == (Address("127.0.0.1", 11211), Address("cache-2", 11211))
    assert cluster.nodes["west-2"].uuid == "5f0c"
    assert cluster.nodes["west-2"].write == Address("127.0.0.1", 7302)
    assert cluster.volumes[65535].state is VolumeState.CLOSED
    assert cluster.masters["m1"].address.port == 7001
    assert [edge.kind for edge in cluster.edges.values()] == ["nginx", "varnish"]
    assert (cluster.limits.upload_bytes_max, cluster.limits.pixels_max) == (1000, 2000)
    assert cluster.sizes == (Size("x", 99, square=True), Size("y", 3000))
    assert cluster.variant_formats == VariantFormats(
        webp=True,
        webp_quality=70,
        avif=True,
        avif_edge_pixels_max=320,
        animation=True,
        keep_credit=False,
    )


def test_lookups_in_the_map():
    """Lookups in the map: colos, mirrors, volumes."""
    cluster = parse_cluster(FULL)
    assert cluster.colos == ("east", "west")
    assert [node.id for node in cluster.mirrors_of(65535)] == ["west-2", "east-1", "west-1"]
    assert cluster.volumes_on("west-2") == (65535,)
    assert len(cluster.volumes_on("east-1")) == 17
    with pytest.raises(KeyError):
        cluster.mirrors_of(17)


@pytest.mark.parametrize("table", ["nodes.east-1", "masters.m1", "edges.e1", "limits", "images"])
def test_an_unknown_key_is_refused_in_every_table(table):
    """A misspelled key would otherwise silently get its default."""
    text = FULL.replace(f"[{table}]", f"[{table}]\nstroe = 1")
    (problem,) = problems_of(text)
    assert problem.startswith(f"{table}.stroe: unknown key; known keys: ")


@pytest.mark.parametrize("table", ["volumes", "sizes"])
def test_an_unknown_key_is_refused_in_every_list_of_tables(table):
    """The problem has the index in the list."""
    text = FULL.replace(f"[[{table}]]", f"[[{table}]]\nstroe = 1")
    assert [problem.partition(": ")[0] for problem in problems_of(text)] == [
        f"{table}[0].stroe",
        f"{table}[1].stroe",
    ]


@pytest.mark.parametrize("table", ["nodes", "volumes", "masters"])
def test_a_cluster_without_an_essential_part_is_refused(table):
    """The problem says why the part is required."""
    head, *parts = SMALLEST.split("\n[")
    text = "\n[".join([head, *(part for part in parts if table not in part.partition("]")[0])])
    assert any(problem.startswith(f"{table}: is missing: ") for problem in problems_of(text))


def test_a_volume_in_one_colo_is_refused():
    """Both mirrors could fail together."""
    text = SMALLEST.replace('colo = "west"', 'colo = "east"')
    assert problems_of(text) == ["volumes[0].mirrors: must be in at least 2 colos"]


def test_a_volume_with_one_mirror_is_refused():
    """One mirror is not enough."""
    text = SMALLEST.replace('["east-1", "west-1"]', '["east-1"]')
    assert problems_of(text) == ["volumes[0].mirrors: must be in at least 2 colos"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (7202, 7101, "nodes.west-1.write: 127.0.0.1:7101 is already used by nodes.east-1.read"),
        (7001, 7201, "masters.m1.address: 127.0.0.1:7201 is already used by nodes.west-1.read"),
        (8081, 7302, "edges.e1.purge: 127.0.0.1:7302 is already used by nodes.west-2.write"),
        (8082, 8081, "edges.e2.purge: 127.0.0.1:8081 is already used by edges.e1.purge"),
    ],
)
def test_a_shared_address_is_rejected_with_its_other_user(old, new, problem):
    """The problem names the other user of the address."""
    assert problems_of(FULL.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")) == [problem]


def test_edges_can_all_listen_on_every_interface():
    """Edges are on separate machines, each with port 8080."""
    edges = parse_cluster(FULL).edges.values()
    assert {str(edge.listen) for edge in edges} == {"0.0.0.0:8080"}


@pytest.mark.parametrize(
    "numbers", ["", "0", "0-3", "01", "3-", "-3", "3-2", "65536", "1-65536", "1-2-3", "1,2", "one"]
)
def test_an_invalid_range_is_one_problem(numbers):
    """An invalid range adds one problem."""
    (problem,) = problems_of(SMALLEST.replace("1-16", numbers))
    assert problem.startswith("volumes[0].numbers: must ")


def test_a_missing_key_is_one_problem_and_not_more():
    """The placeholder of a missing value adds no problem."""
    for key in ("colo", "read", "write", "store", "numbers", "mirrors", "address", "public_url"):
        lines = SMALLEST.splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{key} = "))
        problems = problems_of("\n".join(lines[:at] + lines[at + 1 :]))
        same_key = [problem for problem in problems if f"{key}: " in problem]
        assert len(same_key) == 1
        assert same_key[0].endswith(f"{key}: is missing")


@pytest.mark.parametrize("text", ["[nodes", "a = ", "a = 1\na = 2", "\0"])
def test_what_is_not_toml_is_one_problem_of_the_file(text):
    """The problem has the position that the TOML parser reports."""
    (problem,) = problems_of(text)
    assert problem.startswith("(file): is not TOML: ")


SCALARS = st.sampled_from(['"x"', "1", "true", "1.5", "[]", "{}"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map(lambda value: f"[{value}]"),
        inner.map(lambda value: f"{{a = {value}, read = {value}, numbers = {value}}}"),
    ),
    max_leaves=4,
)
TABLES = st.sampled_from(
    ["nodes", "volumes", "masters", "edges", "limits", "sizes", "memcached", "applications"]
)


@given(st.dictionaries(TABLES, VALUES))
def test_values_of_any_kind_are_refused_and_never_crash(values):
    """A value of any type is rejected without a crash."""
    assert problems_of("\n".join(f"{key} = {value}" for key, value in values.items()))
