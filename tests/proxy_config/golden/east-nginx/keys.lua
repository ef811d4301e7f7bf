-- Read keys, and the class of each size. The keys open every photo: this file must have mode 0600.

return {
    read_keys = {
        ["a"] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        ["b2"] = "e889f1e6c3153ae16357971e74ab79ee02f4c70d175dd647f4ef71ab2fbb5b70",
    },
    size_classes = {
        ["s"] = "web",
        ["q"] = "web",
        ["t"] = "web",
        ["m"] = "web",
        ["n"] = "web",
        ["w"] = "web",
        ["d"] = "web",
        ["z"] = "web",
        ["c"] = "web",
        ["b"] = "web",
        ["h"] = "large",
        ["k"] = "large",
        ["x"] = "large",
        ["o"] = "original",
    },
}
