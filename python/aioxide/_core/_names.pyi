"""Host names: what is known of a literal address."""

from typing import Any

def literal_address_info(
    host: object, port: object, family: object, kind: object, proto: object, /
) -> list[Any] | None: ...
