"""The filesystem itself: branches, inodes and operations. Knows neither pyfuse3 nor the kernel structs."""
