"""A configuration that can change while Envoy runs: from files that it watches, by LDS or by ECDS."""

import copy
import json
import os
from pathlib import Path

from . import bootstrap as places
from .waiting import wait_until

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"


def _publish(path: Path, resource: dict, version: int) -> None:
    """Envoy looks when a file is moved into place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"version_info": str(version), "resources": [resource]}))
    os.replace(fresh, path)


class Watched:
    """An overlay. `update` gives the filter another configuration and returns whether Envoy accepted it."""

    # Names of Envoy's counters: accepted, rejected.
    taken: str
    refused: str

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "watched.json"
        self.version = 0

    def __call__(self, bootstrap: dict) -> dict:
        self._original = copy.deepcopy(bootstrap)
        self.write(places.plugin(bootstrap)["configuration"]["value"])
        return self.watching(copy.deepcopy(bootstrap))

    def source(self) -> dict:
        return {"path_config_source": {"path": str(self.path)}, "resource_api_version": "V3"}

    def write(self, text: str) -> None:
        changed = copy.deepcopy(self._original)
        places.configure(changed, text)
        self.version += 1
        _publish(self.path, self.resource(changed), self.version)

    def update(self, gate, text: str) -> bool:
        """Writes the filter configuration `text`. Returns whether Envoy accepted it."""
        before = gate.envoy.stat(self.taken), gate.envoy.stat(self.refused)
        self.write(text)

        def verdict():
            taken, refused = gate.envoy.stat(self.taken), gate.envoy.stat(self.refused)
            return (taken, refused) if (taken, refused) != before else None

        taken, refused = wait_until("Envoy to take or refuse the configuration", verdict)
        assert (taken - before[0], refused - before[1]) in ((1, 0), (0, 1)), (before, taken, refused)
        return taken > before[0]

    def resource(self, bootstrap: dict) -> dict:
        raise NotImplementedError

    def watching(self, bootstrap: dict) -> dict:
        raise NotImplementedError


class Lds(Watched):
    """Envoy watches the file of the whole listener."""

    taken = "listener_manager.lds.update_success"
    refused = "listener_manager.lds.update_rejected"

    def resource(self, bootstrap: dict) -> dict:
        (listener,) = bootstrap["static_resources"]["listeners"]
        return {"@type": LISTENER, **listener}

    def watching(self, bootstrap: dict) -> dict:
        del bootstrap["static_resources"]["listeners"]
        bootstrap["dynamic_resources"] = {"lds_config": self.source()}
        return bootstrap


class Ecds(Watched):
    """Envoy watches the file of the filter only."""

    taken = "extension_config_discovery.http_filter.gmtech.update_success"
    refused = "extension_config_discovery.http_filter.gmtech.update_rejected"

    def resource(self, bootstrap: dict) -> dict:
        filters = places.manager(bootstrap)["http_filters"]
        (ours,) = [f for f in filters if f["name"] == "gmtech"]
        return {"@type": EXTENSION, "name": "gmtech", "typed_config": ours["typed_config"]}

    def watching(self, bootstrap: dict) -> dict:
        filters = places.manager(bootstrap)["http_filters"]
        for number, one in enumerate(filters):
            if one["name"] == "gmtech":
                discovery = {"config_source": self.source(), "type_urls": [WASM]}
                filters[number] = {"name": "gmtech", "config_discovery": discovery}
        return bootstrap
