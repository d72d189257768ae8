# Sourced: what STOMP answers to frames; a client waits until it is connected.
talk() {
    (printf 'CONNECT\naccept-version:1.1\nhost:a\n\n\0'; sleep 0.5; printf "$1"; sleep 1.5) |
        timeout 10 nc -q 1 127.0.0.1 61613 | tr -d '\0'
}
