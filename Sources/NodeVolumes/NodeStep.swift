internal import ImageMapping
internal import NodeMapping
public import Volumes

/// The steps of all operations of a node; the crash tests kill the service at each.
public enum NodeStep: String, Sendable, CaseIterable, OperationStep {
    /// Writing the volume's record.
    case recordingVolume
    /// Writing the mapping's record.
    case recordingMapping
    /// Removing what a dead image server left.
    case clearingRemains
    /// Starting the image's server.
    case startingServer
    /// Waiting for the image's server.
    case waitingForServer
    /// Waiting for a dead node's watch to run out.
    case waitingForHolder
    /// Attaching a loop device.
    case attachingLoop
    /// Asking the monitors which protocol they speak.
    case askingMonitors
    /// Waiting for the kernel to map the image.
    case mappingInKernel
    /// Waiting for the device's node.
    case waitingForNode
    /// Looking at what the device holds.
    case probingDevice
    /// Noting on the image that a file system will be made.
    case recordingFormat
    /// Making a file system.
    case formatting
    /// Noting on the image that its file system is made.
    case recordingFormatted
    /// Checking the file system.
    case checkingFileSystem
    /// Growing an unmounted file system.
    case growingOffline
    /// Mounting at the staging path.
    case mounting
    /// Growing the mounted file system.
    case growingFileSystem
    /// Noting that the volume is staged.
    case recordingStaged
    /// Noting the pod's path.
    case recordingTarget
    /// Binding at the pod's path.
    case binding
    /// Making the pod's path read-only.
    case protecting
    /// Unmounting the pod's path.
    case unmountingTarget
    /// Removing the pod's path.
    case removingTarget
    /// Forgetting the pod's path.
    case forgettingTarget
    /// Unmounting the staging path.
    case unmountingStage
    /// Detaching the loop device.
    case detachingLoop
    /// Disconnecting the network block device.
    case disconnectingDevice
    /// Unmounting the image's file.
    case unmountingFile
    /// Waiting for the image's server to end.
    case endingServer
    /// Waiting for the kernel to unmap the image.
    case unmappingInKernel
    /// Removing the mapping's record.
    case removingMapping
    /// Removing the volume's record.
    case forgettingVolume
    /// Growing the device.
    case growingDevice

    /// The step's name in the crash matrix.
    public var name: String { rawValue }

    /// The case's words: `recording volume`.
    public var phrase: String {
        rawValue.reduce(into: "") { phrase, character in
            phrase += character.isUppercase ? " \(character.lowercased())" : String(character)
        }
    }

    init(_ step: MappingStep) {
        self =
            switch step {
            case .recordingMapping: .recordingMapping
            case .clearingRemains: .clearingRemains
            case .startingServer: .startingServer
            case .waitingForServer: .waitingForServer
            case .attachingLoop: .attachingLoop
            case .detachingLoop: .detachingLoop
            case .disconnectingDevice: .disconnectingDevice
            case .unmountingFile: .unmountingFile
            case .endingServer: .endingServer
            case .removingRecord: .removingMapping
            case .growingDevice: .growingDevice
            case .askingMonitors: .askingMonitors
            case .mappingInKernel: .mappingInKernel
            case .waitingForNode: .waitingForNode
            case .unmappingInKernel: .unmappingInKernel
            }
    }
}
