# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Settings of the torch.compile backend, as torch's own `config` modules are.

    import shark_turbine.config
    shark_turbine.config.fullgraph = True
    with shark_turbine.config.patch(cache=False): ...

A value is taken from `torch.compile(options=...)`, else from here (assigned or patched),
else from the environment variable, else it is the default. Variables are read on import;
those of booleans are "1" or "0". An unknown name is an AttributeError.

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_config_module.py
"""

import os
import sys
import warnings

from torch.utils._config_module import Config, install_config_module


def _number(variable, default):
    text = os.environ.get(variable)
    try:
        return default if text is None else int(text)
    except ValueError:
        warnings.warn(f"{variable}: expected a number, found {text!r}", stacklevel=2)
        return default


# ---- defaults of options= (dynamo/options.py says what they mean) ----

device: str = Config(default="local-task", env_name_default="TURBINE_DEVICE")
targets: str = Config(default="host", env_name_default="TURBINE_TARGETS")  # a,b
freeze: bool = Config(default=False, env_name_default="TURBINE_FREEZE")
tune: bool = Config(default=False, env_name_default="TURBINE_TUNE")
fullgraph: bool = Config(default=False, env_name_default="TURBINE_FULLGRAPH")
dump: str = Config(default="", env_name_default="TURBINE_DUMP")

# ---- the cache of compiled programs (dynamo/cache.py) ----

cache: bool = Config(default=True, env_name_default="TURBINE_CACHE")
# "" is $XDG_CACHE_HOME/shark_turbine, or ~/.cache/shark_turbine
cache_dir: str = Config(default="", env_name_default="TURBINE_CACHE_DIR")
# AOTAutograd keeps traced graphs. Naming one costs torch half a second in each process (it
# hashes its own sources and loads Inductor), so this pays for large models only.
autograd_cache: bool = Config(default=False, env_name_default="TURBINE_AUTOGRAD_CACHE")
cache_size_mb: int = _number("TURBINE_CACHE_SIZE_MB", 1024)

install_config_module(sys.modules[__name__])
