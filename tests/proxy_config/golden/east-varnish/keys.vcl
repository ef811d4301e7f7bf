# Read keys. They open every photo: this file must have mode 0600.

sub vcl_init {
    new key_a = blob.blob(HEX, "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    new key_b2 = blob.blob(HEX, "e889f1e6c3153ae16357971e74ab79ee02f4c70d175dd647f4ef71ab2fbb5b70");
}
