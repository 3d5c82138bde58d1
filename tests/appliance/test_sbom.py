"""The bill of materials of a small made tree: what stands in it, and that the same tree gives it again."""

import hashlib
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COPYRIGHT_FORMAT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
STATUS = """\
Package: dpkg
Status: install ok installed
Section: admin
Maintainer: Somebody <somebody@example.org>
Architecture: {architecture}
Version: 1.21.22
Description: package management
 Version: 9 is not its version

Package: libpair2
Status: install ok installed
Section: libs
Architecture: {architecture}
Version: 1:2.0+dfsg-3

Package: gone
Status: deinstall ok config-files
Section: libs
Architecture: {architecture}
Version: 1

Package: prose
Status: install ok installed
Section: libs
Architecture: all
Version: 3

Package: out
Status: install ok installed
Section: libs
Architecture: all
Version: 4

Package: raspi-firmware
Status: install ok installed
Section: non-free-firmware/misc
Architecture: all
Version: 1.20220830+ds-1
"""
PAPER = f"""\
Format: {COPYRIGHT_FORMAT}
Upstream-Name: pair
License: LGPL-2.1+

Files: *
Copyright: 2020 Somebody
License: GPL-2+ or Artistic, and Expat

Files: debian/*
Copyright: 2021 Somebody
License: GPL-2 with Linux-syscall-note exception
 The text follows.
 License: not-a-field
"""
UNNAMED = """
Files: contrib/*
License:
 Do what you want.

Files: lib/*
License: Permission to use, copy and modify this software

License: Text-Of-Another
 Text.
"""
METADATA = {
    "expression": "License-Expression: MIT AND 0BSD\nLicense: other\n",
    "word": "License: Apache 2.0\nClassifier: License :: OSI Approved :: Apache Software License\n",
    "classifier": "Classifier: License :: OSI Approved :: BSD License\nClassifier: License :: OSI Approved\n",
    "text": "License: First line\n        second line\nClassifier: License :: OSI Approved :: MIT License\n",
    "nothing": "License: UNKNOWN\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    write(made / "var/lib/dpkg/status", STATUS.format(architecture="amd64"))
    write(made / "usr/lib/madoguchi/firmware/__init__.py", '"""Kiosk."""\n\n__version__ = "1.2.3"\n')
    write(made / "usr/share/doc/libpair-common/copyright", PAPER)
    (made / "usr/share/doc/libpair2").symlink_to("libpair-common")
    write(made / "usr/share/doc/dpkg/copyright", PAPER + UNNAMED)
    write(
        made / "usr/share/doc/prose/copyright",
        "This package is under the terms of the GPL.\n\nLicense: GPL\n",
    )
    write(tmp_path / "elsewhere", PAPER)
    (made / "usr/share/doc/out").mkdir()
    (made / "usr/share/doc/out/copyright").symlink_to(tmp_path / "elsewhere")
    for name in ("start4.elf", "fixup4.dat", "start_x.elf"):
        write(made / "usr/lib/raspi-firmware" / name, name)
    return made


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    made = tmp_path / "wheels"
    made.mkdir()
    lines = []
    for name, licence in METADATA.items():
        file = made / f"{name}_x-1.0-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as packed:
            head = f"Metadata-Version: 2.1\nName: {name}-x\nVersion: 1.0\n"
            packed.writestr(
                f"{name}_x-1.0.dist-info/METADATA", f"{head}{licence}\nLicense: of the description\n"
            )
        lines.append(f"{name}_x==1.0 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n")
    write(made / "requirements.txt", "".join(lines))
    return made


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def run(
    tree: Path, wheels: Path, *firmware: str, epoch: int = 1704067200
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/image/sbom", tree, wheels, *firmware],
        env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )


def bill_of(tree: Path, wheels: Path, *firmware: str, epoch: int = 1704067200) -> dict[str, Any]:
    done = run(tree, wheels, *firmware, epoch=epoch)
    assert (0, "") == (done.returncode, done.stderr.partition("sbom: ")[0])
    bill: dict[str, Any] = json.loads(done.stdout)
    must_be_cyclonedx(bill)
    return bill


def must_be_cyclonedx(bill: dict[str, Any]) -> None:
    """The required and closed parts of the schema that we use. Source: cyclonedx.org, bom-1.5.schema.json."""
    parts = {"bomFormat", "specVersion", "serialNumber", "version", "metadata", "components"}
    assert parts == set(bill)
    assert ("CycloneDX", "1.5", 1) == (bill["bomFormat"], bill["specVersion"], bill["version"])
    serial = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(serial, bill["serialNumber"])
    assert {"timestamp", "component"} == set(bill["metadata"])
    must_be_component(bill["metadata"]["component"])
    for component in bill["components"]:
        must_be_component(component)
        assert {"version", "purl"} <= set(component)
    purls = [component["purl"] for component in bill["components"]]
    assert sorted(set(purls)) == purls


def must_be_component(component: dict[str, Any]) -> None:
    known = {"type", "name", "version", "purl", "hashes", "licenses", "properties", "components"}
    assert {"type", "name"} <= set(component) <= known
    assert component["type"] in {"library", "firmware", "file"}
    for digest in component.get("hashes", []):
        assert {"alg", "content"} == set(digest)
        assert "SHA-256" == digest["alg"]
        assert re.fullmatch("[0-9a-f]{64}", digest["content"])
    for word in component.get("properties", []):
        assert {"name", "value"} == set(word)
    # Either one expression alone, or licences, each by an identifier of SPDX's or by a name.
    choices = component.get("licenses", [])
    assert choices or "licenses" not in component
    if any("expression" in choice for choice in choices):
        assert [{"expression"}] == [set(choice) for choice in choices]
    else:
        for choice in choices:
            assert {"license"} == set(choice)
            assert set(choice["license"]) in ({"id"}, {"name"})
    for part in component.get("components", []):
        must_be_component(part)


def of(bill: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [component for component in bill["components"] if component["name"] == name]
    return dict(found)


def names(component: dict[str, Any]) -> list[str]:
    return [choice["license"]["name"] for choice in component.get("licenses", [])]


def test_a_bill_says_of_which_kiosk_it_is_and_names_what_is_installed(tree: Path, wheels: Path) -> None:
    bill = bill_of(tree, wheels)
    assert "2024-01-01T00:00:00Z" == bill["metadata"]["timestamp"]
    kiosk = bill["metadata"]["component"]
    assert ("firmware", "madoguchi", "1.2.3") == (kiosk["type"], kiosk["name"], kiosk["version"])
    packages = {"dpkg", "libpair2", "prose", "out", "raspi-firmware"}
    assert packages | {f"{name}_x" for name in METADATA} == {one["name"] for one in bill["components"]}
    assert (
        "pkg:deb/debian/libpair2@1%3A2.0%2Bdfsg-3?arch=amd64&distro=bookworm" == of(bill, "libpair2")["purl"]
    )
    assert "1.21.22" == of(bill, "dpkg")["version"]


def test_a_tree_whose_kiosk_has_no_version_gets_no_bill(tree: Path, wheels: Path) -> None:
    write(tree / "usr/lib/madoguchi/firmware/__init__.py", "")
    done = run(tree, wheels)
    assert (1, "") == (done.returncode, done.stdout)
    assert "does not say its version" in done.stderr


def test_a_package_of_debian_has_the_licences_that_its_copyright_file_names(tree: Path, wheels: Path) -> None:
    bill = bill_of(tree, wheels)
    named = ["GPL-2 with Linux-syscall-note exception", "GPL-2+ or Artistic, and Expat", "LGPL-2.1+"]
    assert named == names(of(bill, "libpair2"))
    assert "properties" not in of(bill, "libpair2")
    # Not readable by a machine, or not of this tree: none, and no guess.
    assert "licenses" not in of(bill, "prose")
    assert "licenses" not in of(bill, "out")


def test_a_list_of_licences_that_lacks_some_says_so(tree: Path, wheels: Path) -> None:
    dpkg = of(bill_of(tree, wheels), "dpkg")
    assert ["GPL-2 with Linux-syscall-note exception", "GPL-2+ or Artistic, and Expat", "LGPL-2.1+"] == names(
        dpkg
    )
    assert [{"name": "madoguchi:licenses", "value": "incomplete"}] == dpkg["properties"]


def test_a_python_package_has_its_expression_else_its_word_else_its_classifiers(
    tree: Path, wheels: Path
) -> None:
    bill = bill_of(tree, wheels)
    assert [{"expression": "MIT AND 0BSD"}] == of(bill, "expression_x")["licenses"]
    assert ["Apache 2.0"] == names(of(bill, "word_x"))
    assert ["BSD License"] == names(of(bill, "classifier_x"))
    assert ["MIT License"] == names(of(bill, "text_x"))
    assert "licenses" not in of(bill, "nothing_x")


def test_a_pi_has_the_firmware_that_lies_on_its_card(tree: Path, wheels: Path) -> None:
    blobs = of(bill_of(tree, wheels, "start4.elf", "fixup4.dat"), "raspi-firmware")
    assert ("firmware", "1.20220830+ds-1") == (blobs["type"], blobs["version"])
    hashes = {part["name"]: part["hashes"][0]["content"] for part in blobs["components"]}
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("fixup4.dat", "start4.elf")}
    assert digests == hashes
    assert "components" not in of(bill_of(tree, wheels), "raspi-firmware")


def test_a_kiosk_with_a_tpm_names_openssls_provider_and_no_other_kiosk_does(
    tree: Path, wheels: Path, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    write(
        package / "DEBIAN/control",
        "Package: tpm2-openssl\nVersion: 1.3.0-1\nArchitecture: amd64\nMaintainer: x <x@example.org>\n"
        "Description: provider\n",
    )
    write(package / "usr/lib/x86_64-linux-gnu/ossl-modules/tpm2.so", "the provider")
    write(
        package / "usr/share/doc/tpm2-openssl/copyright",
        f"Format: {COPYRIGHT_FORMAT}\n\nFiles: *\nLicense: BSD\n",
    )
    deb = wheels / "tpm2-openssl_1.3.0-1_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", package, deb], capture_output=True, check=True)
    assert "tpm2-openssl" not in {one["name"] for one in bill_of(tree, wheels)["components"]}

    laid = tree / "usr/lib/madoguchi/tpm/tpm2.so"
    write(laid, "the provider")
    provider = of(bill_of(tree, wheels), "tpm2-openssl")
    assert "pkg:deb/debian/tpm2-openssl@1.3.0-1?arch=amd64&distro=trixie" == provider["purl"]
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == provider["hashes"][0]["content"]
    assert ["BSD"] == names(provider)

    write(laid, "another provider")
    done = run(tree, wheels)
    assert (1, "") == (done.returncode, done.stdout)
    assert "is not that of" in done.stderr


def test_the_same_tree_twice_gives_the_same_bytes_and_another_tree_another_number(
    tree: Path, wheels: Path
) -> None:
    first, second = run(tree, wheels), run(tree, wheels)
    assert first.stdout == second.stdout
    number = json.loads(first.stdout)["serialNumber"]
    assert number != bill_of(tree, wheels, epoch=1704067201)["serialNumber"]
    write(tree / "usr/lib/madoguchi/firmware/__init__.py", '__version__ = "1.2.4"\n')
    assert number != bill_of(tree, wheels)["serialNumber"]
