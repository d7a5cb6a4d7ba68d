internal import RADOS

/// Where images are created, cloned and moved to the trash by class calls, without librbd.
///
/// The class calls on images are librbd's private protocol. So they are used only on releases on which Nacre's tests
/// have compared the results with those of `rbd create`, `rbd clone` and `rbd trash mv`; on other releases librbd does
/// the work.
public enum ObjectCalls: Sendable {
    /// On clusters whose OSDs are all of a tested release or newer, and not beyond the newest tested one.
    case onTestedReleases
    /// Never.
    case never

    /// Values of `require_osd_release` that were tested: Pacific, Reef, Tentacle.
    static let testedReleases: Set<Int> = [16, 18, 20]

    func isAllowed(requiredRelease: Int?) -> Bool {
        switch self {
        case .never: false
        case .onTestedReleases: requiredRelease.map(Self.testedReleases.contains) ?? false
        }
    }
}

extension Place {
    func allows(_ calls: ObjectCalls) -> Bool {
        calls.isAllowed(requiredRelease: context.cluster.requiredOSDRelease)
    }
}
