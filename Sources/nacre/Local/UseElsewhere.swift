import ExactText
import NodeVolumes
import Volumes

/// A volume that this machine has by another state directory than the one that a command looks into.
struct UseElsewhere: Sendable {
    /// What the kernel tells of it.
    let volume: PresentVolume
    /// What the command line of that state directory wrote down of it; `nil` for a pod's, and where it cannot be read.
    let use: LocalUse?
    /// Where the command looked.
    let looked: String

    /// Whose it is, if that is told.
    var stateDirectory: String? { volume.stateDirectory }

    /// What it is called.
    var title: String { use?.title ?? volume.id.imageSpec }

    /// Where it is; `nil` if it is at no path.
    var place: LocalPlace? {
        let path = use.flatMap { use in volume.paths.first { $0.isExactly(use.path) } } ?? volume.paths.last
        return path.map { LocalPlace(path: $0, isBlock: volume.isBlock) }
    }

    /// The same as the use that it is.
    var shown: LocalUse? {
        place.map { place in
            LocalUse(
                volumeID: "\(volume.id)",
                kind: place.isBlock ? .device : .mount,
                path: place.path,
                name: use?.name
            )
        }
    }

    /// Where it is and who has it, behind `it is`.
    var words: String {
        let kind = volume.isBlock || place == nil ? "mapped" : "mounted"
        let at = place.map { " at '\($0.path.printable)'" } ?? ""
        let owner =
            volume.isOfCommandLine ? "by nacre volume \(volume.isBlock ? "map" : "mount")" : "by a service"
        let whose =
            stateDirectory.map { "\(owner) with the state directory '\($0.printable)'" } ?? "by the kernel's client"
        return "\(kind)\(at) on this very machine \(whose), and this command looked into '\(looked.printable)'"
    }

    /// The command that ends it, or who does.
    var end: String {
        guard let stateDirectory else { return "whatever mapped it unmaps it" }
        guard volume.isOfCommandLine else { return "stop the pod that has it, then that service unmounts it" }
        let kind = volume.isBlock ? LocalUse.Kind.device : .mount
        let target = use?.title ?? place?.path ?? volume.id.description
        return "\((use?.kind ?? kind).opposite) \(target.shellWord) --state-dir \(stateDirectory.shellWord)"
    }
}

extension LocalUses {
    /// What this machine has by other state directories.
    func elsewhere() -> [UseElsewhere] {
        PresentVolume.all(besides: stateDirectory).map { volume in
            let other = volume.stateDirectory.map { LocalUses(stateDirectory: $0, runDirectory: runDirectory) }
            let use = volume.isOfCommandLine ? (try? other?.use(of: volume.id)) : nil
            return UseElsewhere(volume: volume, use: use, looked: stateDirectory)
        }
    }

    /// What this machine has of a volume by another state directory; `nil` if it has nothing so.
    func elsewhere(_ id: VolumeID) -> UseElsewhere? {
        let all = elsewhere().filter { $0.volume.isOf(id) }
        return all.first { $0.volume.isSurely(id) } ?? all.first
    }

    /// The same, but nothing that may be of another cluster.
    func surelyElsewhere(_ id: VolumeID) -> UseElsewhere? { elsewhere().first { $0.volume.isSurely(id) } }

    /// The same by what a person calls it: its path, or its name.
    func elsewhere(meantBy target: String) -> UseElsewhere? {
        let all = elsewhere()
        if let path = LocalPath(argument: target)?.absolute,
            let found = all.first(where: { $0.volume.paths.containsExactly(path) })
        {
            return found
        }
        guard let name = VolumeName(argument: target) else { return nil }
        return all.first { other in
            other.use?.name?.isExactly(target) == true || name.names(other.volume.id, called: other.use?.name)
        }
    }
}
