"""
Reads the generated Kconfig with kconfiglib and applies configuration files, as strictly as Zephyr:
every warning (an undefined symbol, say) and every assignment that does not take is an error.
Prints the values of the module's symbols as JSON; writes .config and autoconf.h with --out.
"""
import argparse
import json
import os
import re
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--module", required=True)
parser.add_argument("--symbols", default="")
parser.add_argument("--chosen", default="")
parser.add_argument("--out")
parser.add_argument("conf", nargs="*")
args = parser.parse_args()

here = os.path.dirname(os.path.abspath(__file__))
os.environ.update(
    srctree=here,
    KCONFIG_FUNCTIONS="kconfigfunctions",
    KCONFIG_WARN_UNDEF="y",
    STANDIN_MODULE=args.module,
    STANDIN_SYMBOLS=args.symbols,
    STANDIN_CHOSEN=args.chosen,
)

import kconfiglib  # noqa: E402 (reads the environment)

kconf = kconfiglib.Kconfig(args.root, warn_to_stderr=False)
kconf.warn_assign_undef = True
kconf.warn_assign_override = False
kconf.warn_assign_redun = False
wanted = {}
for path in args.conf:
    kconf.load_config(path, replace=False)
for path in args.conf:
    with open(path) as file:
        for line in file:
            found = re.match(r'CONFIG_(\w+)=(?:"(.*)"|(\S+))', line)
            if found:
                wanted[found[1]] = found[2] or found[3]
errors = [
    f"{name} was set to {value} and has the value {kconf.syms[name].str_value}"
    for name, value in wanted.items()
    if name in kconf.syms and kconf.syms[name].str_value != value
]
errors = [*kconf.warnings, *errors]
if errors:
    print("\n".join(errors), file=sys.stderr)
    sys.exit(1)

own = {
    node.item.name: node.item.str_value
    for node in kconf.node_iter()
    if isinstance(node.item, (kconfiglib.Symbol, kconfiglib.Choice))
    and node.item.name
    and os.path.abspath(os.path.join(here, node.filename)) == os.path.abspath(args.module)
}
print(json.dumps(own))
if args.out:
    os.makedirs(args.out, exist_ok=True)
    kconf.write_config(os.path.join(args.out, ".config"))
    kconf.write_autoconf(os.path.join(args.out, "autoconf.h"))
