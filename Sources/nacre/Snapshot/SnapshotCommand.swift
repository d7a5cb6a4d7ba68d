import ArgumentParser

/// `nacre snapshot`: its commands, one in each file.
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Take, list and delete snapshots of volumes.",
        discussion: """
            A snapshot is a volume as it was at one moment. It costs no copy, and stays when its volume is deleted. nacre \
            volume create --from-snapshot makes a volume from it.

            EXAMPLES
              export NACRE_SECRET_DIR=/etc/nacre/csi-rbd-provisioner
              nacre snapshot create before-upgrade --volume data
              nacre snapshot list
              nacre volume create data-old --from-snapshot before-upgrade
            """,
        subcommands: [SnapshotCreate.self, SnapshotList.self, SnapshotShow.self, SnapshotDelete.self],
        aliases: ["snap"]
    )
}
