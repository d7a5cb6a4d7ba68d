import ArgumentParser

/// `nacre volume`: its commands, one in each file.
struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume",
        abstract: "Make, list, grow, use and delete volumes.",
        discussion: """
            The commands ask the service at --socket, or with --direct work on Ceph themselves. Those that change \
            something need a Ceph user: --secret-dir names a directory with the files userID and userKey.

            EXAMPLES
              export NACRE_SECRET_DIR=/etc/nacre/csi-rbd-provisioner
              nacre volume create data --pool replicapool --size 10GiB
              nacre volume list --output json
            """,
        subcommands: [
            VolumeCreate.self, VolumeList.self, VolumeShow.self, VolumeExpand.self, VolumeDelete.self,
            VolumeUndelete.self, VolumeBranch.self,
            VolumeMap.self, VolumeUnmap.self, VolumeMount.self, VolumeUnmount.self,
        ]
    )
}
