"""What both images consist of, in the formats that scanners read: CycloneDX, SPDX, OpenVEX."""

CONFIG = "io.cntr.config"
"""What documents call the digest of an image's configuration."""

NAMES = ("slim.cdx.json", "slim.spdx.json", "slim.openvex.json", "fat.cdx.json", "fat.spdx.json")
"""What ``--sbom`` writes."""
