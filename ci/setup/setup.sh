#!/bin/sh
# Finds Python 3.11 and hands over to ci/setup/__main__.py.
cd "$(dirname "$0")/../.." || exit 1
for python in python3.11 python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
        exec "$python" -m ci.setup
    fi
done
echo "Python 3.11 is missing: install it (Debian 12: \`apt-get install python3.11-venv\`; Ubuntu: the same from the deadsnakes archive; elsewhere: \`uv python install 3.11\`), then type \`make setup\` again." >&2
exit 1
