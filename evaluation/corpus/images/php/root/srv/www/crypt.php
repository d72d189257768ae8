<?php
echo hash('sha256', 'a'), ' ', openssl_encrypt('a', 'aes-128-cbc', str_repeat('k', 16), 0, str_repeat('i', 16)), "\n";
