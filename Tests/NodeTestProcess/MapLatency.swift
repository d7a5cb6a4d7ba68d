import Glibc
import ImageMapping
import ImageServing
import KernelMapping
import NodeMapping
import NodeTestSupport

/// Maps and unmaps an image of pool rbd by the kernel, round after round, and prints how long each took.
///
/// A line is `SHARING map MILLISECONDS unmap MILLISECONDS`; `oneNode` is what a volume for one node has, claim and lock
/// included.
func printMapLatency(of image: String, rounds: Int) throws {
    for sharing in [ImageSharing.manyNodes, .oneNode] {
        try printMapLatency(of: image, sharing, rounds: rounds)
    }
}

private func printMapLatency(of image: String, _ sharing: ImageSharing, rounds: Int) throws {
    let lab = try NodeLab(directory: "/tmp/nacre-latency-\(getpid())", placement: .stay)
    let mapper = lab.kernelMapper()
    let address = ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: image)
    let request = MapRequest(
        image: address,
        monitors: lab.monitors,
        credentials: lab.credentials,
        sharing: sharing
    )
    for _ in 0..<rounds {
        let begin = ContinuousClock.now
        _ = try mapper.map(request) { _, _ in }
        let mapped = ContinuousClock.now
        try mapper.unmap(address) { _, _ in }
        print("\(sharing) map \(milliseconds(mapped - begin)) unmap \(milliseconds(.now - mapped))")
    }
}

private func milliseconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return (Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000) / 1000)
}
