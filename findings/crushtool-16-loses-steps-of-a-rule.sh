#!/bin/bash
# crushtool 16 writes a CRUSH rule of newer kind out as text without its steps, and ends with 0.
#
# Versions: Ceph 20.2.4 (Debian sid) and Ceph 16.2.15 (Debian bookworm), seen on 30 Nov 2026.
# Expected: a tool that meets a step it does not know says so and ends with an error; so osdmaptool 16 does with a whole map
#   of Ceph 20 ("error decoding osdmap").
# Seen: of a rule of type msr_indep, `crushtool -d` of 16 leaves out both "step choosemsr" lines, without a mark or a
#   warning: the text goes from "step take" to "step emit". min_size and max_size are made up, and the type is a number,
#   "type 5", which crushtool 20 does not compile ("parse error at ''", with a line before the rule). With the type's name
#   put in, the text compiles, to a rule that chooses nothing. --reweight-item of 16, which works on the binary map, keeps
#   the rule whole.
# Why it matters: "decompile, edit, compile" is the usual way to change a CRUSH map. Who mends the one line that the
#   compiler complains of installs a rule without OSDs.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir/20" ceph-base=20.2.4+ds-2
debian_root bookworm "$dir/16" ceph-base=16.2.15+ds-0+deb12u2

cat > "$dir/20/root/tmp/text" << 'END'
tunable choose_total_tries 50
tunable chooseleaf_descend_once 1
tunable chooseleaf_vary_r 1
tunable chooseleaf_stable 1
device 0 osd.0
device 1 osd.1
device 2 osd.2
device 3 osd.3
type 0 osd
type 1 host
type 2 root
host one {
    id -2
    alg straw2
    hash 0
    item osd.0 weight 1.0
    item osd.1 weight 1.0
}
host two {
    id -3
    alg straw2
    hash 0
    item osd.2 weight 1.0
    item osd.3 weight 1.0
}
root default {
    id -1
    alg straw2
    hash 0
    item one weight 2.0
    item two weight 2.0
}
rule spread {
    id 0
    type msr_indep
    step take default
    step choosemsr 2 type host
    step choosemsr 2 type osd
    step emit
}
END
crush() {
    local release=$1
    shift
    in_root "$dir/$release" crushtool "$@" 2> /dev/null || echo "exit status $?"
}
# steps RELEASE MAP: the steps of the rule in the text of that release's crushtool.
steps() { crush "$1" -d "$2" | sed -n '/^rule/,/^}/s/^[[:space:]]*\(step .*\)/\1/p; /^exit/p' | paste -sd ';'; }

crush 20 -c /tmp/text -o /tmp/map
cp "$dir/20/root/tmp/map" "$dir/16/root/tmp/map"
whole='step take default;step choosemsr 2 type host;step choosemsr 2 type osd;step emit'
seen "steps of the rule by crushtool 20" "$whole" "$(steps 20 /tmp/map)"
seen "steps of the rule by crushtool 16" 'step take default;step emit' "$(steps 16 /tmp/map)"
seen "OSDs for one object by crushtool 20" 4 \
    "$(crush 20 -i /tmp/map --test --rule 0 --num-rep 4 --x 1 --show-mappings | grep -oE '\[[0-9,]+\]' | grep -oE '[0-9]+' | wc -l)"
crush 16 -i /tmp/map --reweight-item osd.0 3 -o /tmp/reweighted > /dev/null
cp "$dir/16/root/tmp/reweighted" "$dir/20/root/tmp/reweighted"
seen "steps after crushtool 16 changed a weight" "$whole" "$(steps 20 /tmp/reweighted)"
crush 16 -d /tmp/map > "$dir/20/root/tmp/text16"
sed 's/type 5$/type msr_indep/' "$dir/20/root/tmp/text16" > "$dir/20/root/tmp/mended"
seen "crushtool 20 compiles the text of 16" "exit status 1" "$(crush 20 -c /tmp/text16 -o /tmp/map16)"
seen "crushtool 20 compiles it with the type's name" "" "$(crush 20 -c /tmp/mended -o /tmp/map16)"
seen "steps of the rule then" 'step take default;step emit' "$(steps 20 /tmp/map16)"
