# Prints a Python whose TFLite runtime is not the given one's: 3.12 or newer beside 3.11, and the
# other way round. Prints nothing when there is none.
set -u
newer='import sys; sys.exit(sys.version_info < (3, 12))'
if "$1" -c "$newer"; then
    candidates="python3.11 $HOME/.pyenv/versions/3.11.*/bin/python3"
    wanted='import sys; sys.exit(sys.version_info[:2] != (3, 11))'
else
    candidates="python3.13 python3.12 $HOME/.pyenv/versions/3.1[23].*/bin/python3"
    wanted=$newer
fi
for candidate in $candidates; do
    if "$candidate" -c "$wanted" >/dev/null 2>&1 && "$candidate" -m venv --help >/dev/null 2>&1; then
        echo "$candidate"
        exit
    fi
done
