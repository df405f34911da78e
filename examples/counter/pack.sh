#!/bin/sh
# Lays out the two versions of the example, ready to be deployed: pack.sh BINARY OUTDIR
# The same binary and the same sources give the same bytes.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 BINARY OUTDIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
binary=$1
out=$2
[ -x "$binary" ] || { echo "$0: $binary is no executable" >&2; exit 1; }
sum() { sha256sum | cut -c1-"$1"; }

# The repository's commit where there is one; a fixed text elsewhere.
commit=$(git -C "$here" rev-parse HEAD 2>/dev/null) && [ ${#commit} -eq 40 ] || commit=0000000000000000000000000000000000000000

# primitive STABLE_ID KIND NAME PERSISTED LINE
primitive() {
    cat <<END
    "rhone.example/counter/app.Counter#setup0.$2@0": {
      "stableID": "$1",
      "class": "${2%%.*}",
      "kind": "${2#*.}",
      "codecFingerprint": "fp:v1:$(printf 'counter codec %s' "$3" | sum 64)",
      "persisted": $4,
      "debugName": "$3",
      "source": { "file": "app/counter.go", "line": $5, "col": 2 }
    }
END
}

persisted() {
    printf '    "%s": { "kind": "%s", "codecFingerprint": "fp:v1:%s" }' "$1" "$2" "$(printf 'counter codec %s' "$3" | sum 64)"
}

# lay VERSION COLOUR: the second version persists one thing more than the first.
lay() {
    dir=$out/counter-$1
    rm -rf "$dir"
    mkdir -p "$dir/public" "$dir/dist/public"
    cp "$binary" "$dir/counter"
    if command -v strip >/dev/null 2>&1; then strip "$dir/counter"; fi
    chmod 755 "$dir/counter"
    printf '%s\n' "$1" >"$dir/version.txt"
    sed "s/@VERSION@/$1/g; s/@COLOUR@/$2/g" "$here/index.html" >"$dir/public/index.html"
    page=index.$(sum 12 <"$dir/public/index.html").html
    cp "$dir/public/index.html" "$dir/dist/public/$page"
    printf '{\n  "index.html": "%s"\n}\n' "$page" >"$dir/dist/manifest.json"
    printf '{\n  "repository": "https://rhone.example/counter",\n  "commit": "%s"\n}\n' "$commit" >"$dir/rhone.source.json"
    cat >"$dir/rhone.toml" <<END
process = ["./counter"]
health = "/health"
sockets = ["/_vango/ws"]
routes = ["/", "/sessions", "/api/incr"]
drain_seconds = 30
END
    build="bs:v1:$(printf 'counter %s' "$1" | sum 12)"
    extra_primitive=''
    extra_persisted=''
    if [ "$1" = green ]; then
        extra_primitive=",
$(primitive c0ffee02 global.signal visitors true 14)"
        extra_persisted=",
$(persisted c0ffee02 signal visitors)"
    fi
    cat >"$dir/vango_state_manifest.json" <<END
{
  "manifestVersion": "1.0",
  "anchorFormatVersion": "1.0",
  "toolVersion": "1.0.0",
  "buildSchema": "$build",
  "primitives": {
$(primitive c0ffee01 shared.signal count true 12),
$(primitive c0ffee03 local.effect redraw false 20)$extra_primitive
  },
  "sessionKeys": null
}
END
    schema=$(persisted c0ffee01 signal count)$extra_persisted
    cat >"$dir/vango_state_schema.json" <<END
{
  "schemaVersion": "1.0",
  "toolVersion": "1.0.0",
  "buildSchema": "$build",
  "persistedPrimitives": {
$schema
  },
  "sessionKeys": null,
  "schemaHash": "sha256:$(printf '%s' "$schema" | sum 64)"
}
END
    echo "$dir"
}

lay blue '#1d4ed8'
lay green '#15803d'
