module {
  func.func @main(%arg0: !torch.vtensor<[3,6],f32>, %arg1: !torch.vtensor<[2],si64>) -> (!torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],si64>, !torch.vtensor<[3,6],f32>, !torch.vtensor<[6],f32>, !torch.vtensor<[3,2],f32>) attributes {torch.assume_strict_symbolic_shapes} {
    %int2 = torch.constant.int 2
    %int2_0 = torch.constant.int 2
    %int2_1 = torch.constant.int 2
    %0 = torch.prim.ListConstruct %int2, %int2_0, %int2_1 : (!torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %int-1 = torch.constant.int -1
    %1 = torch.aten.split_with_sizes %arg0, %0, %int-1 : !torch.vtensor<[3,6],f32>, !torch.list<int>, !torch.int -> !torch.list<vtensor>
    %2:3 = torch.prim.ListUnpack %1 : !torch.list<vtensor> -> !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>
    %int2_2 = torch.constant.int 2
    %int-1_3 = torch.constant.int -1
    %true = torch.constant.bool true
    %true_4 = torch.constant.bool true
    %values, %indices = torch.aten.topk %arg0, %int2_2, %int-1_3, %true, %true_4 : !torch.vtensor<[3,6],f32>, !torch.int, !torch.int, !torch.bool, !torch.bool -> !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],si64>
    %3 = torch.prim.ListConstruct %arg1, %arg1 : (!torch.vtensor<[2],si64>, !torch.vtensor<[2],si64>) -> !torch.list<optional<vtensor>>
    %4 = torch.aten.index.Tensor %arg0, %3 : !torch.vtensor<[3,6],f32>, !torch.list<optional<vtensor>> -> !torch.vtensor<[2],f32>
    %int1 = torch.constant.int 1
    %int1_5 = torch.constant.int 1
    %5 = torch.aten.add.Scalar %4, %int1, %int1_5 : !torch.vtensor<[2],f32>, !torch.int, !torch.int -> !torch.vtensor<[2],f32>
    %6 = torch.prim.ListConstruct %arg1, %arg1 : (!torch.vtensor<[2],si64>, !torch.vtensor<[2],si64>) -> !torch.list<optional<vtensor>>
    %false = torch.constant.bool false
    %7 = torch.aten.index_put %arg0, %6, %5, %false : !torch.vtensor<[3,6],f32>, !torch.list<optional<vtensor>>, !torch.vtensor<[2],f32>, !torch.bool -> !torch.vtensor<[3,6],f32>
    %int0 = torch.constant.int 0
    %int1_6 = torch.constant.int 1
    %int2_7 = torch.constant.int 2
    %int1_8 = torch.constant.int 1
    %8 = torch.aten.slice.Tensor %arg0, %int0, %int1_6, %int2_7, %int1_8 : !torch.vtensor<[3,6],f32>, !torch.int, !torch.int, !torch.int, !torch.int -> !torch.vtensor<[1,6],f32>
    %int0_9 = torch.constant.int 0
    %9 = torch.prim.ListConstruct %int0_9 : (!torch.int) -> !torch.list<int>
    %10 = torch.operator "torch.aten.squeeze.dims"(%8, %9) : (!torch.vtensor<[1,6],f32>, !torch.list<int>) -> !torch.vtensor<[6],f32> 
    %11 = torch.aten.mul.Tensor %2#1, %2#2 : !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32> -> !torch.vtensor<[3,2],f32>
    %int1_10 = torch.constant.int 1
    %12 = torch.aten.add.Tensor %2#0, %11, %int1_10 : !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>, !torch.int -> !torch.vtensor<[3,2],f32>
    %13 = torch.prim.ListConstruct %2#0, %2#2 : (!torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>) -> !torch.list<vtensor>
    %int0_11 = torch.constant.int 0
    %14 = torch.aten.cat %13, %int0_11 : !torch.list<vtensor>, !torch.int -> !torch.vtensor<[6,2],f32>
    %int2_12 = torch.constant.int 2
    %int3 = torch.constant.int 3
    %int2_13 = torch.constant.int 2
    %15 = torch.prim.ListConstruct %int2_12, %int3, %int2_13 : (!torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %16 = torch.aten.view %14, %15 : !torch.vtensor<[6,2],f32>, !torch.list<int> -> !torch.vtensor<[2,3,2],f32>
    %int0_14 = torch.constant.int 0
    %17 = torch.prim.ListConstruct %int0_14 : (!torch.int) -> !torch.list<int>
    %false_15 = torch.constant.bool false
    %18 = torch.aten.amax %16, %17, %false_15 : !torch.vtensor<[2,3,2],f32>, !torch.list<int>, !torch.bool -> !torch.vtensor<[3,2],f32>
    return %12, %values, %indices, %7, %10, %18 : !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],si64>, !torch.vtensor<[3,6],f32>, !torch.vtensor<[6],f32>, !torch.vtensor<[3,2],f32>
  }
}
