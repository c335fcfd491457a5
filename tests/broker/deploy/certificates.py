"""Certificates made for one test: an authority, a broker's, and clients' as they are asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates with openssl, valid for a day; keeps them in a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.certificate = directory / f"{name}.crt"
        self._key = directory / f"{name}.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "1", "-subj", f"/CN=perfuse {name}",
            "-keyout", str(self._key), "-out", str(self.certificate),
        )  # fmt: skip

    def issue(self, name: str, *, address: str = "") -> tuple[Path, Path]:
        """Return certificate and key of a common name, and of an address for a server."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        request = self.directory / f"{name}.csr"
        self._openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request),
        )  # fmt: skip
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName = IP:{address}\n" if address else "")
        self._openssl(
            "x509", "-req", "-days", "1", "-in", str(request), "-out", str(certificate),
            "-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial",
            "-extfile", str(extensions),
        )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
