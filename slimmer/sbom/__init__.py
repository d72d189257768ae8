"""What both images consist of, in the formats that scanners read: CycloneDX, SPDX, OpenVEX."""
