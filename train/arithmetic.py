"""In which numbers a machine computes fast."""

import torch


def computes_in_bfloat16(device: str = "cpu") -> bool:
    """Say whether a device multiplies 16-bit brain floats itself, rather than by way of longer numbers.

    Where it does, training in mixed precision (``precision="bf16-mixed"`` of :class:`lightning.Trainer`) takes less
    than half the time.

    Parameters
    ----------
    device
        ``"cpu"``, or a torch device such as ``"cuda"``.

    Examples
    --------
    >>> computes_in_bfloat16() in (True, False)
    True
    """
    if device.startswith("cuda"):
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    # Older versions of torch do not tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
