-- The nodes, and for each volume its nodes in the order of the tries: colo east first.
--
-- Line N of the rows is of volume N. Each column has 1 digit: the number of near nodes,
-- the number of all nodes, and then each node, counted from 1.

return {
    nodes = {
        "10.1.0.1:7101",
        "10.1.0.2:7101",
        "10.2.0.1:7101",
        "[fd00:2::2]:7101",
    },
    digits = 1,
    row_bytes = 6,
    rows = [[
12130
12130
12130
12130
12240
12130
12130
23214
]],
}
