"""Object functions are measured afresh in each run: a cache at home could hide that they changed."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMFORGE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
