#!/bin/bash
# `kubectl kustomize` renames a PersistentVolumeClaim, and a clone of it goes on naming the old one.
#
# Versions: kubectl 1.36.4 with kustomize 5.8.1 (Debian sid, seen on 30 Nov 2026).
# Expected: namePrefix and namespace reach every reference between objects of one kustomization, as they reach
#   spec.storageClassName of a claim and of a StatefulSet's claim templates, and claimName of a pod.
# Seen: these references keep the old name: dataSource and dataSourceRef of a claim (to a claim and to a VolumeSnapshot),
#   volumeAttributesClassName of a claim, storageClassName of a pod's ephemeral claim template, source and class of a
#   VolumeSnapshot, claimRef and nodeStageSecretRef of a PersistentVolume, the Secrets in a StorageClass's parameters.
#   A VolumeAttributesClass, which belongs to no namespace, gets one; a StorageClass does not. Exit status 0, no warning.
# Why it matters: where the namespace also holds a claim of the old name, the "clone" is a copy of somebody else's data.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" kubernetes-client=1.36.4+ds-1

mkdir "$dir/root/tmp/k"
cat > "$dir/root/tmp/k/kustomization.yaml" << 'END'
namePrefix: new-
namespace: apart
resources: [all.yaml]
END
cat > "$dir/root/tmp/k/all.yaml" << 'END'
{apiVersion: v1, kind: Secret, metadata: {name: key}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: class}
provisioner: rbd.csi.ceph.com
parameters: {csi.storage.k8s.io/provisioner-secret-name: key}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: qos}
driverName: rbd.csi.ceph.com
parameters: {iops: "100"}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata: {name: snapclass}
driver: rbd.csi.ceph.com
deletionPolicy: Delete
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: class
  volumeAttributesClassName: qos
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: snap}
spec:
  volumeSnapshotClassName: snapclass
  source: {persistentVolumeClaimName: data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: clone}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: class
  dataSource: {kind: PersistentVolumeClaim, name: data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: restored}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: class
  dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: snap}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  storageClassName: class
  claimRef: {name: data, namespace: default}
  csi: {driver: rbd.csi.ceph.com, volumeHandle: handle, nodeStageSecretRef: {name: key, namespace: default}}
---
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers: [{name: main, image: none}]
  volumes:
  - {name: kept, persistentVolumeClaim: {claimName: data}}
  - name: passing
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Gi}}
          storageClassName: class
END

in_root "$dir" kubectl kustomize /tmp/k > "$dir/all"
# object KIND NAME: that object's lines of the answer.
object() { awk -v RS='---\n' -v kind="kind: $1\n" -v name="\n  name: new-$2\n" 'index($0, kind) && index($0, name)' "$dir/all"; }
# value KEY: what follows the key, in each line that has it.
value() { sed -n "s|^[- ]*$1: *||p" | paste -sd ' '; }

seen "class of the claim" new-class "$(object PersistentVolumeClaim data | value storageClassName)"
seen "claim of the pod" new-data "$(object Pod pod | value claimName)"
seen "class of the pod's ephemeral claim" class "$(object Pod pod | value storageClassName)"
seen "attributes class of the claim" qos "$(object PersistentVolumeClaim data | value volumeAttributesClassName)"
seen "source of the clone" data "$(object PersistentVolumeClaim clone | sed -n '/dataSource:/,/resources:/p' | value name)"
seen "source of the restored claim" snap "$(object PersistentVolumeClaim restored | sed -n '/dataSourceRef:/,/resources:/p' | value name)"
seen "claim of the snapshot" data "$(object VolumeSnapshot snap | value persistentVolumeClaimName)"
seen "class of the snapshot" snapclass "$(object VolumeSnapshot snap | value volumeSnapshotClassName)"
seen "claim of the volume" data "$(object PersistentVolume volume | sed -n '/claimRef:/,/csi:/p' | value name)"
seen "Secret of the volume" key "$(object PersistentVolume volume | sed -n '/nodeStageSecretRef:/,/volumeHandle:/p' | value name)"
seen "Secret of the storage class" key "$(object StorageClass class | value csi.storage.k8s.io/provisioner-secret-name)"
seen "namespace of the StorageClass" "" "$(object StorageClass class | value namespace)"
seen "namespace of the VolumeAttributesClass" apart "$(object VolumeAttributesClass qos | value namespace)"
