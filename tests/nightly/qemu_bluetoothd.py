"""Our Bluetooth sources against the real bluetoothd, in a virtual machine without any hardware.

    python tests/nightly/qemu_bluetoothd.py

For Debian 12. Sensors on a virtual radio are heard by a virtual controller, which the guest's
kernel drives by hci_vhci; its bluetoothd and D-Bus serve our sources. Each profile is read, some of
them bonded, and then bluetoothd is killed under a link.

A kernel is fetched by apt-get download, or is the unpacked package that PERFUSE_KERNEL names.
Nothing is booted or changed on this machine: the guest sees its files read-only (9p), and its own
writable ones are in memory. It is emulated, which takes a minute or two, unless PERFUSE_KVM is set.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("bluetoothd_guest.py")
LIMIT_S = 600
MODULES = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "hci_vhci",
    "cmac",
    "ecb",
    "algif_hash",
    "algif_skcipher",
)
# Where a program is missing, the Debian package that has it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dbus-daemon": "dbus-daemon",
    "bluetoothd": "bluez",
    "bluetoothctl": "bluez",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
# Beside PATH: where Debian keeps what the superuser and other programs start.
PLACES = ("/usr/sbin", "/sbin", "/usr/libexec/bluetooth")

INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo /bin/modprobe > /proc/sys/kernel/modprobe
for module in {modules}; do modprobe $module; done
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=262144 host /host
for place in run var/lib/bluetooth; do mount -t tmpfs tmpfs /host/$place || true; done
mount -t proc proc /host/proc
mount -t sysfs sysfs /host/sys
mount -o bind /dev /host/dev
mkdir -p /host/run/dbus
ip link set lo up
chroot /host /bin/sh -c 'dbus-daemon --system --fork && cd {root} && HOME=/run TMPDIR=/run \\
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={root} {python} {guest} 2>&1'
poweroff -f
"""


def kernel(folder: Path) -> Path:
    """An unpacked kernel package."""
    given = os.environ.get("PERFUSE_KERNEL")
    if given:
        return Path(given)
    depends = subprocess.check_output(["apt-cache", "depends", "linux-image-amd64"], text=True)
    package = next(line.split()[1] for line in depends.splitlines() if "Depends:" in line)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    unpacked = folder / "kernel"
    subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), unpacked], check=True)
    return unpacked


def initramfs(folder: Path, unpacked: Path) -> Path:
    """Busybox, the kernel's modules and our init."""
    (release,) = (path.name for path in (unpacked / "lib/modules").iterdir())
    tree = folder / "initramfs"
    for place in ("bin", "proc", "sys", "dev", "host", "lib/modules"):
        (tree / place).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", tree / "bin/busybox")
    source = unpacked / "lib/modules" / release / "kernel"
    for part in (
        "crypto",
        "lib",
        "net/9p",
        "net/bluetooth",
        "net/rfkill",
        "fs/9p",
        "fs/netfs",
        "fs/fscache",
        "drivers/virtio",
        "drivers/bluetooth",
        "arch/x86/crypto",
    ):
        shutil.copytree(source / part, tree / "lib/modules" / release / "kernel" / part)
    for listed in (unpacked / "lib/modules" / release).glob("modules.*"):
        shutil.copy(listed, tree / "lib/modules" / release)
    subprocess.run(["depmod", "-b", tree, release], check=True)
    init = tree / "init"
    init.write_text(
        INIT.format(modules=" ".join(MODULES), root=ROOT, python=sys.executable, guest=GUEST)
    )
    init.chmod(0o755)
    archive = folder / "initramfs.cpio"
    with archive.open("wb") as out:
        names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"],
            cwd=tree,
            input=names.encode(),
            stdout=out,
            check=True,
        )
    return archive


def boot(unpacked: Path, archive: Path) -> str:
    """Boot, and return what the machine said on its console."""
    # Emulated unless asked: a /dev/kvm inside a virtual machine may hang or abort.
    accel = "kvm" if os.environ.get("PERFUSE_KVM") else "tcg,thread=multi"
    command = [
        "qemu-system-x86_64",
        *("-accel", accel),
        *("-cpu", "max", "-m", "1024", "-nographic", "-no-reboot"),
        *("-kernel", str(next((unpacked / "boot").glob("vmlinuz-*")))),
        *(
            "-initrd",
            str(archive),
            "-append",
            "console=ttyS0 panic=-1 loglevel=4 mitigations=off no_timer_check cryptomgr.notests",
        ),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
    ]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as machine:
        assert machine.stdout is not None
        watchdog = threading.Timer(LIMIT_S, machine.kill)
        watchdog.start()
        for line in machine.stdout:
            said.append(line.decode(errors="replace"))
            print(said[-1], end="", flush=True)
        watchdog.cancel()
    return "".join(said)


def main() -> int:
    """0 when all passed, 1 when not, 0 with a word when a program is missing."""
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *PLACES])
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[name] for name in missing}))
        print(f"skipped: no {', '.join(missing)} here; apt-get install {packages}")
        return 0
    with tempfile.TemporaryDirectory(prefix="perfuse-qemu-") as made:
        folder = Path(made)
        unpacked = kernel(folder)
        said = boot(unpacked, initramfs(folder, unpacked))
    # Kernel messages may stand before it on its line.
    return 0 if any(line.endswith("PASSED") for line in said.splitlines()) else 1


if __name__ == "__main__":
    sys.exit(main())
