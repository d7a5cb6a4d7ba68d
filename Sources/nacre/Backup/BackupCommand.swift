import ArgumentParser

/// `nacre backup`: its commands, one in each file.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy volumes out of Ceph, and back.",
        discussion: """
            A backup lies in a directory, or in a bucket of a server that speaks S3. The first one of a volume reads what is \
            there, the next ones what has changed since. Every one can be restored without the others. The commands work on \
            Ceph themselves, and need a Ceph user: --secret-dir names a directory with the files userID and userKey.

            EXAMPLES
              nacre backup create data --to /srv/backups
              nacre backup list --from /srv/backups
              nacre backup restore 4c1d --from /srv/backups --name data2 --pool rbd
              nacre backup prune data --from /srv/backups --keep-daily 7 --keep-weekly 4
            """,
        subcommands: [
            BackupCreate.self, BackupList.self, BackupShow.self, BackupVerify.self, BackupRestore.self,
            BackupDelete.self, BackupPrune.self, BackupForget.self,
        ]
    )
}
