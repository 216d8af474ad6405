"""Envoy's configuration: renders the deployed one with `gmtech envoy-config`, and finds its parts."""

import copy
import json
import subprocess
from pathlib import Path

from . import paths


def render(
    directory: Path,
    *,
    api_port: int,
    admin_port: int,
    upstream_port: int,
    upstream_key: str,
    config: dict | None,
    passthrough: bool = False,
    service: tuple[int, str] | None = None,
    pages: int | None = None,
    wasm: Path | None = None,
) -> dict:
    """A bootstrap for these ports and this filter configuration; with `passthrough`, without the filter; with
    `service` (its port for proxies and its token), with keys from there; with `pages` (its port for people), with its pages."""
    key_file = directory / "upstream.key"
    key_file.write_text(upstream_key)
    args = [
        str(paths.gmtech()), "envoy-config",
        "--api-port", str(api_port), "--api-host", "127.0.0.1",
        "--admin-port", str(admin_port),
        "--upstream", f"http://127.0.0.1:{upstream_port}",
        "--upstream-key-file", str(key_file),
    ]  # fmt: skip
    if service:
        token_file = directory / "sync.token"
        token_file.touch(0o600)
        token_file.write_text(service[1])
        args += ["--service", f"127.0.0.1:{service[0]}", "--service-token-file", str(token_file)]
    if pages:
        args += ["--pages", f"127.0.0.1:{pages}"]
    if passthrough:
        args.append("--no-filter")
    else:
        args += ["--filter-wasm", str(wasm or paths.wasm()), "--filter-config", "-"]
    done = subprocess.run(args, input=json.dumps(config), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def manager(bootstrap: dict) -> dict:
    """The HTTP connection manager of the API's listener."""
    (listener,) = bootstrap["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    (network_filter,) = chain["filters"]
    return network_filter["typed_config"]


def virtual_host(bootstrap: dict) -> dict:
    """The API's virtual host."""
    (host,) = manager(bootstrap)["route_config"]["virtual_hosts"]
    return host


def routes(bootstrap: dict) -> list[dict]:
    """Its routes."""
    return virtual_host(bootstrap)["routes"]


def route(bootstrap: dict, name: str) -> dict:
    """The route of this name, such as `api-v1`."""
    (found,) = [r for r in routes(bootstrap) if r["name"] == name]
    return found


def upstream(bootstrap: dict) -> dict:
    """The cluster of the provider."""
    (found,) = [c for c in bootstrap["static_resources"]["clusters"] if c["name"] == "upstream"]
    return found


def add_upstream(bootstrap: dict, name: str, port: int | None = None) -> dict:
    """A second cluster like that of the provider, with the endpoint at `port` if one is given."""
    added = copy.deepcopy(upstream(bootstrap))
    added["name"] = added["load_assignment"]["cluster_name"] = name
    if port is not None:
        lead_to(added, port)
    bootstrap["static_resources"]["clusters"].append(added)
    return added


def lead_to(cluster: dict, port: int) -> None:
    """Sets the port of the cluster's one endpoint."""
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = port


def plugin(bootstrap: dict) -> dict:
    """The filter's plugin: name, VM and configuration."""
    (found,) = [f for f in manager(bootstrap)["http_filters"] if f["name"] == "gmtech"]
    return found["typed_config"]["config"]


def configure(bootstrap: dict, text: str) -> None:
    """Gives the filter this configuration, verbatim."""
    plugin(bootstrap)["configuration"]["value"] = text
