"""Two nodes of Ray on this machine, in a process of their own that ends them: `python ray_nodes.py CPUS`.

It prints the address, and the ids of the processes that make the head, on one line each; it ends when stdin closes.
"""

from __future__ import annotations

import sys
import tempfile

if __name__ == "__main__":
    from ray.cluster_utils import Cluster

    settings = {"num_cpus": int(sys.argv[1]), "include_dashboard": False, "object_store_memory": 100 * 2**20}
    with tempfile.TemporaryDirectory(prefix="rn-", ignore_cleanup_errors=True) as folder:  # paths of sockets are short
        cluster = Cluster()
        head = cluster.add_node(**settings, temp_dir=folder)
        cluster.add_node(**settings)
        print(cluster.address, flush=True)
        started = [one.process.pid for kind in ("raylet", "gcs_server") for one in head.all_processes[kind]]
        print(*started, flush=True)
        sys.stdin.read()
        cluster.shutdown()
