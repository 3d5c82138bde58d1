"""The device's key inside a TPM 2.0 (Trusted Platform Module), by tpm2-tools and OpenSSL's tpm2 provider.

The key file then holds a `TSS2 PRIVATE KEY` (ASN.1 specification for TPM 2.0 key files): the key sealed by
its TPM's own, useless anywhere else. TLS signs inside this process. Keys are made by tpm2-tools; requests for
certificates and seals of the journal are signed by `openssl`, which starts with the provider anew and so can
say what is wrong.
"""

import _ssl
import base64
import contextlib
import ctypes
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.errors import KeyStoreFault
from firmware.municipality.der import element as _der

SEALED = b"-----BEGIN TSS2 PRIVATE KEY-----"
LOST = "tpm-restart"
"""The reason of a TPM that serves new processes and not this one, as after it went and came back."""
_PROVIDER = "tpm2"
_OURS = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda"
_LOADABLE_KEY = bytes.fromhex("6781050a0103")
"""2.23.133.10.1.3, id-loadablekey."""
_OWNER = 0x40000001
"""TPM_RH_OWNER: the parent is made anew from its seed, by the provider with the same attributes as by us."""
_FOREIGN = "1df"
"""TPM_RC_INTEGRITY of the first parameter (TPM 2.0 part 2, section 6.6): sealed by another TPM, or before
this one was cleared."""
_LOCKED = "921"
"""TPM_RC_LOCKOUT: too many wrong authorisations (dictionary attack logic)."""


@dataclass(frozen=True, slots=True)
class TpmKeyStore:
    """folder: where tpm2.so lies. tcti: how the TPM is reached. seconds: for one run of a program.

    Every method blocks as long as the TPM takes, and raises KeyStoreFault.
    """

    folder: Path
    tcti: str = "device:/dev/tpmrm0"
    seconds: float = 20.0

    def load(self) -> None:
        """Let the OpenSSL that this process's TLS uses know the TPM's keys; again does no harm.

        Done here and not by OPENSSL_CONF: an absent TPM can be tried again, and no other process is touched.
        """
        os.environ["TPM2OPENSSL_TCTI"] = self.tcti
        os.environ.setdefault("TSS2_LOG", "all+NONE")
        openssl = _openssl_of_ssl()
        openssl.OSSL_PROVIDER_set_default_search_path(None, os.fsencode(self.folder))
        # Once a provider was loaded by name, the default one is there only if it was, too.
        loaded = [openssl.OSSL_PROVIDER_load(None, name) for name in (b"default", _PROVIDER.encode())]
        openssl.ERR_clear_error()
        if not all(loaded):
            self.examine(None)
            raise KeyStoreFault("tpm-failing", "its provider does not start in this process")

    def answers(self) -> bool:
        """Whether the provider of this process still reaches its TPM, after `load`: eight random octets, for
        which none of a process's three places is needed."""
        openssl = _openssl_of_ssl()
        source = openssl.EVP_RAND_fetch(None, b"CTR-DRBG", f"provider={_PROVIDER}".encode())
        drawing = openssl.EVP_RAND_CTX_new(source, None)
        octets = ctypes.create_string_buffer(8)
        begun = drawing and openssl.EVP_RAND_instantiate(drawing, 0, 0, None, 0, None)
        drawn = begun and openssl.EVP_RAND_generate(drawing, octets, len(octets), 0, 0, None, 0)
        openssl.EVP_RAND_CTX_free(drawing)
        openssl.EVP_RAND_free(source)
        openssl.ERR_clear_error()
        return bool(drawn)

    def new_key(self) -> bytes:
        """A key on P-256, made in the TPM below its owner's storage key; PEM.

        Free of the TPM's count of wrong authorisations (noda), unlike the provider's own keys: it counts
        each power cut after a use as one, and locks itself after a few.
        """
        with TemporaryDirectory() as folder:
            parent, public, private = (str(Path(folder) / name) for name in ("parent", "public", "private"))
            storage = ("createprimary", "-Q", "-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb")
            with self._unloading():
                self._tool(*storage, "-a", f"{_OURS}|restricted|decrypt", "-c", parent)
            key = ("create", "-Q", "-C", parent, "-g", "sha256", "-G", "ecc256", "-a", f"{_OURS}|sign")
            with self._unloading():
                self._tool(*key, "-u", public, "-r", private)
            return _key_file(Path(public).read_bytes(), Path(private).read_bytes())

    def public_key(self, key_pem: bytes) -> ec.EllipticCurvePublicKey:
        """Of a key that this TPM takes."""
        with _in_memory(key_pem) as (path, descriptor):
            found = self._openssl("pkey", "-in", path, "-pubout", descriptor=descriptor)
        try:
            public = serialization.load_pem_public_key(found)
        except ValueError as cause:
            raise KeyStoreFault("tpm-failing", "it names no public key") from cause
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise KeyStoreFault("tpm-failing", "its key is not on an elliptic curve")
        return public

    def sign(self, key_pem: bytes, message: bytes) -> bytes:
        """ECDSA with SHA-256, DER."""
        with _in_memory(key_pem) as (path, descriptor):
            return self._openssl("dgst", "-sha256", "-sign", path, descriptor=descriptor, message=message)

    def examine(self, key_pem: bytes | None) -> None:
        """Whether provider, TPM and key work in a process that begins now; None: without a key."""
        if key_pem is not None:
            self.public_key(key_pem)
            return
        self._openssl("list", "-providers")

    @contextlib.contextmanager
    def _unloading(self) -> Iterator[None]:
        """Without a resource manager what a tool loads stays in one of the TPM's three places, beside the key
        that this process's TLS has there."""
        before = self._loaded()
        yield
        for handle in self._loaded() - before:
            self._tool("flushcontext", handle)

    def _loaded(self) -> set[str]:
        return set(re.findall(r"0x[0-9A-Fa-f]+", self._tool("getcap", "handles-transient").decode()))

    def _tool(self, command: str, *rest: str) -> bytes:
        return self._run((f"tpm2_{command}", *rest))

    def _openssl(
        self, command: str, *rest: str, descriptor: int | None = None, message: bytes = b""
    ) -> bytes:
        providers = ("-provider-path", str(self.folder), "-provider", _PROVIDER, "-provider", "default")
        return self._run(("openssl", command, *providers, *rest), descriptor, message)

    def _run(self, command: Sequence[str], descriptor: int | None = None, message: bytes = b"") -> bytes:
        path = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            ran = subprocess.run(
                command,
                env=path | {"TPM2OPENSSL_TCTI": self.tcti, "TPM2TOOLS_TCTI": self.tcti},
                input=message,
                capture_output=True,
                check=False,
                timeout=self.seconds,
                pass_fds=() if descriptor is None else (descriptor,),
            )
        except subprocess.TimeoutExpired as cause:
            raise KeyStoreFault("tpm-silent", f"no answer in {self.seconds:g} seconds") from cause
        except OSError as cause:
            raise KeyStoreFault("tpm-module", f"{command[0]}: {cause.strerror}") from cause
        if ran.returncode != 0:
            raise fault_of(ran.stderr.decode("utf-8", "replace"))
        return ran.stdout


def fault_of(complaint: str) -> KeyStoreFault:
    """What openssl, the tools and the TPM's libraries complain of, in one word."""
    codes: list[str] = [code.lower() for code in re.findall(r"\(0x0*([0-9A-Fa-f]+)\)", complaint)]
    if "could not load the shared library" in complaint:
        return KeyStoreFault("tpm-module", "tpm2.so, or a library it needs, is not there or does not fit")
    if "Permission denied" in complaint:
        return KeyStoreFault("tpm-forbidden", "this user may not open the TPM (group tss)")
    if _FOREIGN in codes:
        return KeyStoreFault("tpm-other", "the key is sealed by another TPM, or this one was cleared")
    if _LOCKED in codes:
        return KeyStoreFault("tpm-locked", "it refuses for a time, after wrong authorisations")
    if any(words in complaint for words in ("IO failure", "Failed to open", "Could not load tcti")):
        return KeyStoreFault("tpm-absent", "no TPM answers there")
    return KeyStoreFault("tpm-failing", f"TPM code 0x{codes[0]}" if codes else "the key cannot be used")


@contextlib.contextmanager
def _in_memory(key_pem: bytes) -> Iterator[tuple[str, int]]:
    """A path by which a child that gets the descriptor reads the key; no file is made for it."""
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, key_pem)
        yield f"/proc/self/fd/{descriptor}", descriptor
    finally:
        os.close(descriptor)


def _key_file(public: bytes, private: bytes) -> bytes:
    """PEM of the two structures that TPM2_Create answers with; the key's own authorisation is empty."""
    kind, empty_auth = _der(0x06, _LOADABLE_KEY), _der(0xA0, _der(0x01, b"\xff"))
    parent, sealed = _der(0x02, _OWNER.to_bytes(4)), _der(0x04, public) + _der(0x04, private)
    text = base64.encodebytes(_der(0x30, kind + empty_auth + parent + sealed))
    return SEALED + b"\n" + text + SEALED.replace(b"BEGIN", b"END") + b"\n"


def _openssl_of_ssl() -> ctypes.CDLL:
    """The very library that the module ssl runs on; that of `cryptography` is another."""
    openssl = ctypes.CDLL(_ssl.__file__)
    openssl.OSSL_PROVIDER_load.restype = ctypes.c_void_p
    openssl.OSSL_PROVIDER_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    openssl.OSSL_PROVIDER_set_default_search_path.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    openssl.ERR_clear_error.restype = None
    handle, text, size, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint
    openssl.EVP_RAND_fetch.restype = openssl.EVP_RAND_CTX_new.restype = handle
    openssl.EVP_RAND_fetch.argtypes = [handle, text, text]
    openssl.EVP_RAND_CTX_new.argtypes = [handle, handle]
    openssl.EVP_RAND_instantiate.argtypes = [handle, number, ctypes.c_int, text, size, handle]
    openssl.EVP_RAND_generate.argtypes = [handle, text, size, number, ctypes.c_int, text, size]
    openssl.EVP_RAND_CTX_free.argtypes = openssl.EVP_RAND_free.argtypes = [handle]
    openssl.EVP_RAND_CTX_free.restype = openssl.EVP_RAND_free.restype = None
    return openssl
