extension CSI.Controller {
    /// The volumes, page by page.
    package enum ListVolumes: ControllerMethod {
        /// CSI: ListVolumesRequest.
        package struct Request: Message {
            /// The longest page wanted; 0 for our choice.
            package var maxEntries: Int32 = 0
            /// The `nextToken` of the page before; empty for the first.
            package var startingToken: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListVolumesRequest.
            package static let fields: [Field<Self>] = [
                .int32("maxEntries", \.maxEntries),
                .string("startingToken", \.startingToken, .opaque),
            ]
        }

        /// CSI: ListVolumesResponse.
        package struct Response: Message {
            /// The page.
            package var entries: [Entry] = []
            /// Where the next page starts; empty after the last.
            package var nextToken: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListVolumesResponse.
            package static let fields: [Field<Self>] = [
                .messages("entries", \.entries),
                .string("nextToken", \.nextToken, .opaque),
            ]
        }

        /// CSI: ListVolumesResponse.Entry.
        package struct Entry: Message {
            /// The volume.
            package var volume: CSI.Volume?
            /// How it is.
            package var status: VolumeStatus?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListVolumesResponse.Entry.
            package static let fields: [Field<Self>] = [
                .message("volume", \.volume),
                .message("status", \.status),
            ]
        }

        /// CSI: ListVolumesResponse.VolumeStatus.
        package struct VolumeStatus: Message {
            /// The nodes that have it.
            package var publishedNodeIDs: [String] = []
            /// How it is.
            package var volumeCondition: CSI.VolumeCondition?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListVolumesResponse.VolumeStatus.
            package static let fields: [Field<Self>] = [
                .strings("publishedNodeIds", \.publishedNodeIDs, .opaque),
                .message("volumeCondition", \.volumeCondition),
            ]
        }
    }
}
