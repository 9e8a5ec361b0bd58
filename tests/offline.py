"""No network: whatever in this process asks for another machine fails at once, and says so."""
import ipaddress
import sys

LOCAL = {"", "localhost", "0.0.0.0", "::", None}


class NetworkAsked(OSError):
    "Something asked for another machine."


def _local(host: object) -> bool:
    if isinstance(host, bytes): host = host.decode("ascii", "replace")
    if host in LOCAL: return True
    try: return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError: return False


def _watch(event: str, args: tuple) -> None:
    if event == "socket.connect" or event == "socket.sendto":
        address = args[1]
        if isinstance(address, tuple) and not _local(address[0]): raise NetworkAsked(f"the network was asked for {address}")
    elif event == "socket.getaddrinfo" and not _local(args[0]): raise NetworkAsked(f"the network was asked for the address of {args[0]!r}")


def block() -> None:
    "From now on, and for as long as the process lives (an audit hook cannot be taken back), only this machine can be reached."
    if not getattr(block, "done", False): sys.addaudithook(_watch)
    block.done = True  # type: ignore[attr-defined]
