# The nodes, and for each volume its nodes in the order of the tries: colo east first.

probe node_health {
    .url = "/healthz";
    .interval = 1s;
    .timeout = 500ms;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

backend east_1 {
    .host = "10.1.0.1";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
}

backend east_1_probed {
    .host = "10.1.0.1";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
    # Never fetched from: Varnish refuses to fetch from a node that fails its probes, and a busy node
    # can miss them.
    .probe = node_health;
}

backend east_2 {
    .host = "10.1.0.2";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
}

backend east_2_probed {
    .host = "10.1.0.2";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
    # Never fetched from: Varnish refuses to fetch from a node that fails its probes, and a busy node
    # can miss them.
    .probe = node_health;
}

backend west_1 {
    .host = "10.2.0.1";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
}

backend west_1_probed {
    .host = "10.2.0.1";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
    # Never fetched from: Varnish refuses to fetch from a node that fails its probes, and a busy node
    # can miss them.
    .probe = node_health;
}

backend west_2 {
    .host = "fd00:2::2";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
}

backend west_2_probed {
    .host = "fd00:2::2";
    .port = "7101";
    .connect_timeout = 250ms;
    # A node reads and verifies a whole file before it sends the first byte of it.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
    # Never fetched from: Varnish refuses to fetch from a node that fails its probes, and a busy node
    # can miss them.
    .probe = node_health;
}

sub vcl_init {
    # Line N is of volume N. Each column has 1 digit: the number of nodes in this colo,
    # the number of all nodes, and then each node, counted from 1.
    new volume_rows = blob.blob(IDENTITY, {"12130
12130
12130
12130
12240
12130
12130
23214
"});
}

# Set the number of nodes of the photo's volume, and the node of this try. A volume without nodes is
# one of a newer map, since volumes are never removed.
sub find_nodes {
    set bereq.http.Photo-Nodes = "0";
    set bereq.http.Photo-Volume = regsub(bereq.url, "^/([0-9]+)/.*$", "\1");
    if (std.integer(bereq.http.Photo-Volume, 0) > 8) {
        return (error(503));
    }
    set bereq.http.Photo-Nodes = blob.encode(IDENTITY, blob=blob.sub(volume_rows.get(), 1B, std.bytes(integer=
        6 * (std.integer(bereq.http.Photo-Volume, 0) - 1) + 1 * (1))));
    if (std.integer(bereq.http.Photo-Nodes, 0) == 0) {
        return (error(503));
    }
    set bereq.http.Photo-Node = blob.encode(IDENTITY, blob=blob.sub(volume_rows.get(), 1B, std.bytes(integer=
        6 * (std.integer(bereq.http.Photo-Volume, 0) - 1) + 1 * (2 + bereq.retries % std.integer(bereq.http.Photo-Nodes, 1)))));
}

# Use the node of this try. In the first round, a node that fails its probes counts as failed.
sub choose_node {
    if (bereq.http.Photo-Node == "1") {
        set bereq.backend = east_1;
        if (!std.healthy(east_1_probed) && bereq.retries < std.integer(bereq.http.Photo-Nodes, 1)) {
            return (error(503));
        }
    } else if (bereq.http.Photo-Node == "2") {
        set bereq.backend = east_2;
        if (!std.healthy(east_2_probed) && bereq.retries < std.integer(bereq.http.Photo-Nodes, 1)) {
            return (error(503));
        }
    } else if (bereq.http.Photo-Node == "3") {
        set bereq.backend = west_1;
        if (!std.healthy(west_1_probed) && bereq.retries < std.integer(bereq.http.Photo-Nodes, 1)) {
            return (error(503));
        }
    } else if (bereq.http.Photo-Node == "4") {
        set bereq.backend = west_2;
        if (!std.healthy(west_2_probed) && bereq.retries < std.integer(bereq.http.Photo-Nodes, 1)) {
            return (error(503));
        }
    }
}

sub set_map_header {
    set resp.http.Glassplate-Map = "4a7517e892f9ef52";
}
