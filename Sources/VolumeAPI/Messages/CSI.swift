/// The Container Storage Interface, version 1: its messages and the calls of its Identity, Controller and Node services.
///
/// Names are the spec's, in Swift's casing; the comment of each type names its message in the proto file.
package enum CSI {}
