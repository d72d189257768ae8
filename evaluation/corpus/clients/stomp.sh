# Sourced: what STOMP answers to frames.
talk() { printf "CONNECT\naccept-version:1.2\nhost:a\n\n\0$1" | timeout 10 nc -q 3 127.0.0.1 61613 | tr -d '\0'; }
