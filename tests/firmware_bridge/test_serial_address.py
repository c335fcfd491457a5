import pytest

from firmware_bridge.serial_address import PortInfo, is_usb, require_address, resolve

FTDI = PortInfo("/dev/ttyUSB0", "FT231X", 0x0403, 0x6015, "A10K")
OTHER_FTDI = PortInfo("/dev/ttyUSB1", "FT231X", 0x0403, 0x6015, "B20L")
ARDUINO = PortInfo("/dev/ttyACM0", "Uno", 0x2341, 0x0043)
UART = PortInfo("/dev/ttyS0")


@pytest.mark.parametrize("address", ["/dev/ttyUSB0", "/dev/serial/by-id/usb-a:b", "ttyUSB0"])
def test_paths_are_no_usb_addresses(address):
    require_address(address)
    assert not is_usb(address)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("2341:0043", "/dev/ttyACM0"),
        ("0403:6015:B20L", "/dev/ttyUSB1"),
        ("0403:6015:A10K", "/dev/ttyUSB0"),
    ],
)
def test_an_adapter_is_found_wherever_it_is(address, path):
    require_address(address)
    assert is_usb(address)
    assert resolve(address, [UART, FTDI, ARDUINO, OTHER_FTDI]) == path


@pytest.mark.parametrize("address", ["403:6015", "0403:601g", "0403:6015:", "a:b"])
def test_what_looks_like_neither_is_refused(address):
    with pytest.raises(ValueError, match="neither a path nor VID:PID"):
        require_address(address)


def test_an_adapter_that_is_away_or_not_the_only_one_is_said():
    with pytest.raises(OSError, match="no USB serial adapter 2341:0043 is plugged in"):
        resolve("2341:0043", [UART, FTDI])
    with pytest.raises(OSError, match="2 USB serial adapters are 0403:6015: 0403:6015:A10K at"):
        resolve("0403:6015", [FTDI, OTHER_FTDI])


def test_a_port_says_its_own_address():
    assert (FTDI.usb, ARDUINO.usb, UART.usb) == ("0403:6015:A10K", "2341:0043", "")
